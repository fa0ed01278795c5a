"""Where the parts of one Ray cluster listen."""

from dataclasses import dataclass

DASHBOARD_PORT = 8265
"""Ray's default; Serve's REST API is here since Ray 2.8."""
AGENT_PORT = 52365
"""Ray's default for the agent on the head; Serve's REST API was here before Ray 2.8."""
METRICS_PORT = 8080
"""Where every Ray pod shows its metrics, unless told otherwise."""
SERVE_PORT = 8000
"""Serve's default for its HTTP proxies."""


@dataclass(frozen=True, slots=True)
class PodAddress:
    """One pod: `ip` for whoever is inside the cluster, the names for the API server's proxy."""

    namespace: str
    name: str
    ip: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One port of one pod."""

    pod: PodAddress
    port: int


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """All that is asked in one cluster.

    `head_uid` and `head_restarts` tell one incarnation of the head from the next: what an earlier
    one said or was told is void.  A head that is not ready yet is not expected to answer.
    `pods` are those whose Serve proxies are probed.
    """

    uid: str
    head: PodAddress
    head_uid: str
    head_restarts: int = 0
    is_head_ready: bool = True
    dashboard_port: int = DASHBOARD_PORT
    agent_port: int = AGENT_PORT
    serve_port: int = SERVE_PORT
    metrics_port: int = METRICS_PORT
    pods: tuple[PodAddress, ...] = ()

    @property
    def incarnation(self) -> tuple[str, int]:
        """What changes when the head's processes are started anew."""
        return self.head_uid, self.head_restarts
