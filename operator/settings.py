"""What can be set, from flags, a file and the environment; read once, here alone.

Flags given on the command line win over the file, the file over the defaults (the peer ignores
all flags once a file is given).  The environment has its own settings, which the other two lack.
Names and defaults are those of the peer, so that its manifests and charts go on working; where a
default differs, the field says so.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from ray_operator.operator.documents import JsonObject
from ray_operator.operator.logs import LogSettings

GATES = {
    "RayClusterStatusConditions": True,
    "RayJobDeletionPolicy": True,
    "RayMultiHostIndexing": True,
    "RayServiceIncrementalUpgrade": True,
    "RayCronJob": True,
    "RayClusterNetworkPolicy": True,
    "GCSFaultToleranceEmbeddedStorage": True,
    "RayClusterMTLS": True,
    "RayClusterHistoryServer": True,
    "SidecarSubmitterRestart": False,
    "KubernetesWAS": False,
}
"""Feature gates and their defaults. Five are on here and off on the peer: each is opt-in by a
field of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration of the process."""

    metrics_addr: str = ":8080"
    """Host and port of /metrics; an empty host is every interface, "0" switches it off."""

    probe_addr: str = ":8082"
    """Host and port of /healthz and /readyz."""

    enable_leader_election: bool = True
    """Work only while holding the Lease. Off: never run two."""

    leader_election_namespace: str = ""
    """Where the Lease stands; "" = the pod's namespace, else `default`."""

    reconcile_concurrency: int = 16
    """Keys in work at once, per controller (the peer: 1). A key is never in work twice."""

    watch_namespaces: tuple[str, ...] = ()
    """Namespaces to serve; empty = all."""

    qps: float = 500.0
    """Requests a second to the API server (the peer: 100); 0 = unlimited."""

    burst: int = 1000
    """Requests at once above `qps` (the peer: 200)."""

    batch_scheduler: str = ""
    """volcano, yunikorn, kai-scheduler, scheduler-plugins; "" = none."""

    use_kubernetes_proxy: bool = False
    """Reach Ray through the API server; the default is true outside a cluster."""

    enable_metrics: bool = True
    """Serve the `kuberay_*` series (the peer: off)."""

    gates: frozenset[str] = frozenset(name for name, on in GATES.items() if on)
    """Names of the feature gates that are on."""

    logs: LogSettings = field(default_factory=LogSettings)
    """Level, encoders, file."""

    kubeconfig: Path | None = None
    """Given explicitly; else in-cluster, else the default kubeconfig."""

    rayservice_health_replacement: bool = True
    """Replace a cluster whose Serve stays unhealthy (rayservice.md §9.3)."""

    default_token_auth: bool = False
    """Token authentication for clusters that don't say (raycluster.md §1.2.4)."""

    head_sidecar_containers: tuple[JsonObject, ...] = ()
    """Containers appended to every head pod; file only."""

    worker_sidecar_containers: tuple[JsonObject, ...] = ()
    """Containers appended to every worker pod; file only."""

    default_container_envs: tuple[JsonObject, ...] = ()
    """Environment of every Ray container that lacks the name; file only."""

    default_pod_annotations: dict[str, str] = field(default_factory=dict)
    """Annotations of every pod that lacks the key; file only."""

    default_pod_labels: dict[str, str] = field(default_factory=dict)
    """Labels of every pod that lacks the key; file only."""

    init_container_resources: JsonObject | None = None
    """Resources of `wait-gcs-ready` instead of the Ray container's; file only."""

    delete_rayjob_after_finish: bool = False
    """Delete a finished RayJob itself, not only its cluster."""

    cluster_domain: str = "cluster.local"
    """The DNS domain of Services (`CLUSTER_DOMAIN`)."""

    resync: timedelta | None = timedelta(seconds=300)
    """Safety net: look at each object again after so long, jittered; `None` = never
    (`RAYCLUSTER_DEFAULT_REQUEUE_SECONDS_ENV`)."""

    init_container_injection: bool = True
    """Give workers `wait-gcs-ready` (`ENABLE_INIT_CONTAINER_INJECTION`)."""

    probes_injection: bool = True
    """Give Ray containers probes (`ENABLE_PROBES_INJECTION`)."""

    random_pod_delete: bool = False
    """Scale autoscaled groups down at random (`ENABLE_RANDOM_POD_DELETE`)."""

    gcs_ft_redis_cleanup: bool = True
    """Empty Redis when a fault-tolerant cluster goes (`ENABLE_GCS_FT_REDIS_CLEANUP`)."""

    head_cluster_ip_service: bool = True
    """Head Services get an address (`ENABLE_RAY_HEAD_CLUSTER_IP_SERVICE`)."""

    dashboard_agent_service: bool = True
    """Make `{cluster}-dashboard-svc` (`ENABLE_DASHBOARD_AGENT_SERVICE`)."""

    head_alias_service: bool = True
    """Make `{rayservice}-head` (`ENABLE_HEAD_ALIAS_SERVICE`)."""

    graceful_termination: bool = True
    """Drain Ray nodes before they stop (`ENABLE_GRACEFUL_TERMINATION`)."""

    login_shell: bool = False
    """Start Ray with `bash -cl` (`ENABLE_LOGIN_SHELL`)."""

    deterministic_head_pod_name: bool = False
    """The head pod is named `{cluster}-head` (`ENABLE_DETERMINISTIC_HEAD_POD_NAME`)."""

    ingress_on_openshift: bool = False
    """Ingress instead of Route on OpenShift (`USE_INGRESS_ON_OPENSHIFT`)."""

    zero_downtime: bool = True
    """RayService upgrades by a second cluster (`ENABLE_ZERO_DOWNTIME`)."""

    rayjob_transition_grace: timedelta = timedelta(seconds=300)
    """`RAYJOB_DEPLOYMENT_STATUS_TRANSITION_GRACE_PERIOD_SECONDS`."""

    rayjob_status_check_timeout: timedelta = timedelta(seconds=300)
    """`RAYJOB_STATUS_CHECK_TIMEOUT_SECONDS`."""

    pod_namespace: str = ""
    """Where this process runs; "" outside a cluster."""

    identity: str = ""
    """Who holds the Lease: the pod's name, else the host's."""

    def is_on(self, gate: str) -> bool:
        """Tell whether a feature gate is on.

        Raises:
            KeyError: there is no such gate.
        """
        return GATES[gate] is not None and gate in self.gates
