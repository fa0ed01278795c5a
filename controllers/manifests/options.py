"""What an installation decides about the objects of every cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ray_operator.operator.documents import JsonObject

DEFAULT_VERSION = "0.1.0"
"""The version of this package; a test compares it with setup.cfg.  It is written on head pods."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Settings of the operator that end up in manifests (operator.md §2).

    The defaults are those of an operator that is started without any setting.
    """

    version: str = DEFAULT_VERSION
    cluster_domain: str = "cluster.local"
    inject_probes: bool = True
    inject_init_container: bool = True
    head_service_has_address: bool = True
    """False makes head Services headless, as the peer's are since 1.2."""
    dashboard_agent_service: bool = True
    graceful_termination: bool = True
    login_shell: bool = False
    deterministic_head_name: bool = False
    multi_host_indexing: bool = True
    default_token_auth: bool = False
    head_sidecars: tuple[JsonObject, ...] = ()
    worker_sidecars: tuple[JsonObject, ...] = ()
    default_env: tuple[JsonObject, ...] = ()
    default_pod_labels: Mapping[str, str] = field(default_factory=dict)
    default_pod_annotations: Mapping[str, str] = field(default_factory=dict)
    init_container_resources: JsonObject | None = None
    """Replaces the resources of `wait-gcs-ready` wholesale."""

    @property
    def stamp(self) -> str:
        """The value of `ray.io/kuberay-version`.

        Never equal to a release of the peer, so that both operators see that the other one built
        an object.
        """
        return f"ray-operator-{self.version}"
