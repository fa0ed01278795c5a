"""What can be set, from flags, a file and the environment; read once, here alone.

Flags given on the command line win over the file, the file over the defaults (the peer ignores
all flags once a file is given).  The environment has its own settings, which the other two lack.
Names and defaults are those of the peer, so that its manifests and charts go on working; where a
default differs, the field says so.
"""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path

from ray_operator.operator.documents import JsonObject
from ray_operator.operator.errors import SettingsError
from ray_operator.operator.flags import parse_flags, read_file
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


BATCH_SCHEDULERS = frozenset({"", "volcano", "yunikorn", "kai-scheduler", "scheduler-plugins"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration of the process."""

    metrics_addr: str = ":8080"
    """Host and port of /metrics; an empty host is every interface, "0" switches it off."""

    metrics_secure: bool = False
    """Serve /metrics over TLS, to those whom the API server lets `get` it. Off: over HTTP, to
    everybody who reaches the port."""

    metrics_cert_path: Path | None = None
    """The folder of the certificate and the key for that; they may be replaced at any time."""

    metrics_cert_name: str = "tls.crt"
    """The certificate's file in the folder."""

    metrics_cert_key: str = "tls.key"
    """The key's."""

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

    otlp_endpoint: str = ""
    """Where traces go (`OTEL_EXPORTER_OTLP_ENDPOINT`); "" = nowhere."""

    in_cluster: bool = False
    """Whether this process runs in a pod and talks to its own cluster."""

    pod_namespace: str = ""
    """Where this process runs; "" outside a cluster."""

    identity: str = ""
    """Who holds the Lease: the pod's name, else the host's."""

    def is_on(self, gate: str) -> bool:
        """Tell whether a feature gate is on.

        Raises:
            KeyError: there is no such gate.
        """
        if gate not in GATES:
            raise KeyError(gate)
        return gate in self.gates


def read_settings(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Settings:
    """Read everything once.

    Args:
        arguments: the command line without the program's name.
        environment: instead of the process's own, for tests.

    Raises:
        SettingsError: something is wrong, and what.
        SystemExit: the command line can't be parsed, or asks for help.
    """
    env = os.environ if environment is None else environment
    flags = parse_flags(arguments)
    file = flags.pop("config", None)
    given = {**(read_file(Path(str(file))) if file else {}), **flags}
    in_cluster = "KUBERNETES_SERVICE_HOST" in env and "kubeconfig" not in given
    chosen: dict[str, object] = {
        "in_cluster": in_cluster,
        "use_kubernetes_proxy": not in_cluster,
        **_from_environment(env),
        **given,
    }
    _choose_gates(chosen)
    _choose_scheduler(chosen)
    _choose_logs(chosen)
    if chosen.get("metrics_secure") and not chosen.get("metrics_cert_path"):
        raise SettingsError(
            "--metrics-secure: give the folder with tls.crt and tls.key as --metrics-cert-path"
        )
    if not chosen.get("leader_election_namespace"):
        chosen["leader_election_namespace"] = chosen["pod_namespace"] or "default"
    return _make(chosen)


def _make(chosen: Mapping[str, object]) -> Settings:
    """Build the settings from values that the parsers have made of the right type."""
    known = {item.name for item in fields(Settings)}
    make: Callable[..., Settings] = Settings
    return make(**{name: value for name, value in chosen.items() if name in known})


def _choose_gates(chosen: dict[str, object]) -> None:
    asked = chosen.get("gates", {})
    asked = asked if isinstance(asked, Mapping) else {}
    if unknown := sorted(asked.keys() - GATES.keys()):
        raise SettingsError(f"--feature-gates: there is no gate {', '.join(unknown)}")
    chosen["gates"] = frozenset(name for name, on in {**GATES, **asked}.items() if on)


def _choose_scheduler(chosen: dict[str, object]) -> None:
    name = str(chosen.get("batch_scheduler", ""))
    if chosen.pop("enable_batch_scheduler", False):
        if name:
            raise SettingsError(
                "--enable-batch-scheduler (which means volcano) and --batch-scheduler exclude "
                "each other: give only the latter"
            )
        chosen["batch_scheduler"] = name = "volcano"
    if name not in BATCH_SCHEDULERS:
        raise SettingsError(
            f"--batch-scheduler: {name!r} is none of {', '.join(sorted(BATCH_SCHEDULERS - {''}))}"
        )
    if name and "KubernetesWAS" in _names(chosen["gates"]):
        raise SettingsError("the gate KubernetesWAS and a batch scheduler exclude each other")


def _names(gates: object) -> frozenset[str]:
    return gates if isinstance(gates, frozenset) else frozenset()


def _choose_logs(chosen: dict[str, object]) -> None:
    names = {
        "log_level": "level",
        "log_stdout_encoder": "stdout_encoder",
        "log_file": "file",
        "log_file_encoder": "file_encoder",
    }
    make: Callable[..., LogSettings] = LogSettings
    chosen["logs"] = make(**{new: chosen[old] for old, new in names.items() if old in chosen})


def _from_environment(env: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {
        name: env.get(variable, "").strip().lower() != "false" for variable, name in ON_BY_DEFAULT
    }
    found |= {
        name: env.get(variable, "").strip().lower() == "true" for variable, name in OFF_BY_DEFAULT
    }
    found |= {name: _seconds(env, variable) for variable, name in JOB_SECONDS}
    resync = _seconds(env, "RAYCLUSTER_DEFAULT_REQUEUE_SECONDS_ENV")
    found["resync"] = resync if resync > timedelta() else None
    found["cluster_domain"] = env.get("CLUSTER_DOMAIN") or "cluster.local"
    found["otlp_endpoint"] = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.get(
        "OTEL_EXPORTER_OTLP_ENDPOINT", ""
    )
    found["pod_namespace"] = env.get("POD_NAMESPACE") or _own_namespace()
    found["identity"] = env.get("POD_NAME") or socket.gethostname()
    return found


ON_BY_DEFAULT = (
    ("ENABLE_INIT_CONTAINER_INJECTION", "init_container_injection"),
    ("ENABLE_PROBES_INJECTION", "probes_injection"),
    ("ENABLE_GCS_FT_REDIS_CLEANUP", "gcs_ft_redis_cleanup"),
    ("ENABLE_RAY_HEAD_CLUSTER_IP_SERVICE", "head_cluster_ip_service"),
    ("ENABLE_DASHBOARD_AGENT_SERVICE", "dashboard_agent_service"),
    ("ENABLE_HEAD_ALIAS_SERVICE", "head_alias_service"),
    ("ENABLE_GRACEFUL_TERMINATION", "graceful_termination"),
    ("ENABLE_ZERO_DOWNTIME", "zero_downtime"),
)
"""Variables that only "false" switches off."""

OFF_BY_DEFAULT = (
    ("ENABLE_RANDOM_POD_DELETE", "random_pod_delete"),
    ("ENABLE_LOGIN_SHELL", "login_shell"),
    ("ENABLE_DETERMINISTIC_HEAD_POD_NAME", "deterministic_head_pod_name"),
    ("USE_INGRESS_ON_OPENSHIFT", "ingress_on_openshift"),
    ("DELETE_RAYJOB_CR_AFTER_JOB_FINISHES", "delete_rayjob_after_finish"),
)
"""Variables that only "true" switches on."""

JOB_SECONDS = (
    ("RAYJOB_DEPLOYMENT_STATUS_TRANSITION_GRACE_PERIOD_SECONDS", "rayjob_transition_grace"),
    ("RAYJOB_STATUS_CHECK_TIMEOUT_SECONDS", "rayjob_status_check_timeout"),
)
DEFAULT_SECONDS = 300
"""Of every duration in the environment, as on the peer; also when the value is no integer."""

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def _seconds(env: Mapping[str, str], variable: str) -> timedelta:
    try:
        return timedelta(seconds=int(env.get(variable, DEFAULT_SECONDS)))
    except ValueError:
        return timedelta(seconds=DEFAULT_SECONDS)


def _own_namespace() -> str:
    """Return the pod's namespace from its ServiceAccount's files; "" outside a cluster."""
    try:
        return NAMESPACE_FILE.read_text().strip()
    except OSError:
        return ""
