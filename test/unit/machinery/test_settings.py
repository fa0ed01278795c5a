import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from ray_operator.operator.errors import SettingsError
from ray_operator.operator.settings import GATES, Settings, read_settings

IN_CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "POD_NAMESPACE": "ray-system"}


def test_the_defaults_are_those_of_the_specification() -> None:
    found = read_settings([], IN_CLUSTER)

    assert (found.metrics_addr, found.probe_addr) == (":8080", ":8082")
    assert (found.qps, found.burst, found.reconcile_concurrency) == (500, 1000, 16)
    assert found.enable_leader_election
    assert not found.use_kubernetes_proxy
    assert found.watch_namespaces == ()
    assert found.leader_election_namespace == "ray-system"
    assert found.gates == {name for name, on in GATES.items() if on}
    assert found.resync == timedelta(seconds=300)
    assert found.logs.level == logging.INFO


@pytest.mark.parametrize(
    "arguments",
    [
        ["--qps=7", "--enable-leader-election=false"],
        ["--qps", "7", "-enable-leader-election=false"],
        ["-qps", "7", "-enable-leader-election=False"],
        ["-qps=7", "--enable-leader-election=f"],
    ],
)
def test_flags_are_read_as_go_reads_them(arguments: list[str]) -> None:
    found = read_settings(arguments, IN_CLUSTER)

    assert found.qps == 7
    assert not found.enable_leader_election


def test_a_boolean_may_stand_alone() -> None:
    found = read_settings(["--use-kubernetes-proxy", "--qps=1"], IN_CLUSTER)

    assert found.use_kubernetes_proxy


def test_flags_of_the_peer_without_a_meaning_are_accepted() -> None:
    read_settings(["--zap-devel", "--zap-encoder=json", "--forced-cluster-upgrade"], IN_CLUSTER)


def test_outside_a_cluster_ray_is_reached_through_the_api_server() -> None:
    assert read_settings([], {}).use_kubernetes_proxy
    assert read_settings(["--kubeconfig=/x"], IN_CLUSTER).use_kubernetes_proxy
    assert not read_settings(["--use-kubernetes-proxy=false"], {}).use_kubernetes_proxy


@dataclass(frozen=True)
class Case:
    arguments: list[str]
    want: Callable[[Settings], bool]


CASES = {
    "namespaces": Case(["--watch-namespace=a, b,"], lambda s: s.watch_namespaces == ("a", "b")),
    "gates": Case(
        ["--feature-gates=RayCronJob=false,KubernetesWAS=true"],
        lambda s: not s.is_on("RayCronJob") and s.is_on("KubernetesWAS"),
    ),
    "the old name of volcano": Case(
        ["--enable-batch-scheduler"], lambda s: s.batch_scheduler == "volcano"
    ),
    "a scheduler": Case(["--batch-scheduler=yunikorn"], lambda s: s.batch_scheduler == "yunikorn"),
    "a level by name": Case(["--zap-log-level=error"], lambda s: s.logs.level == logging.ERROR),
    "a level by number": Case(["--zap-log-level=3"], lambda s: s.logs.level == logging.DEBUG),
    "level zero": Case(["--zap-log-level=0"], lambda s: s.logs.level == logging.INFO),
    "a log file": Case(["--log-file-path=/x/y"], lambda s: s.logs.file == Path("/x/y")),
    "a console": Case(
        ["--log-stdout-encoder=console"], lambda s: s.logs.stdout_encoder == "console"
    ),
    "secured metrics": Case(
        ["--metrics-secure", "--metrics-cert-path=/c", "--metrics-cert-name=c.pem"],
        lambda s: (
            (s.metrics_secure, s.metrics_cert_path) == (True, Path("/c"))
            and (s.metrics_cert_name, s.metrics_cert_key) == ("c.pem", "tls.key")
        ),
    ),
    "no limit": Case(["--qps=0"], lambda s: s.qps == 0),
}


@pytest.mark.parametrize("case", [pytest.param(c, id=s) for s, c in CASES.items()])
def test_flags(case: Case) -> None:
    assert case.want(read_settings(case.arguments, IN_CLUSTER))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-scheduler=slurm"], "slurm"),
        (["--batch-scheduler=volcano", "--enable-batch-scheduler"], "exclude each other"),
        (["--batch-scheduler=volcano", "--feature-gates=KubernetesWAS=true"], "KubernetesWAS"),
        (["--feature-gates=NoSuchGate=true"], "there is no gate NoSuchGate"),
        (["--feature-gates=RayCronJob"], "expected Name=true"),
        (["--reconcile-concurrency=0"], "expected at least 1"),
        (["--qps=many"], "--qps"),
        (["--qps=-1"], "expected at least 0"),
        (["--enable-metrics=perhaps"], "expected true or false"),
        (["--zap-log-level=loud"], "expected debug, info, error or a number"),
        (["--config=/no/such/file"], "/no/such/file"),
        (["--metrics-secure"], "--metrics-cert-path"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_settings(arguments, IN_CLUSTER)


def test_an_unknown_flag_ends_the_process_as_misused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(["--no-such-flag"], IN_CLUSTER)

    assert ended.value.code == 2
    assert "--no-such-flag" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(["--version"], IN_CLUSTER)

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("ray-operator 0.")


FILE = """
apiVersion: config.ray.io/v1alpha1
kind: Configuration
metricsAddr: ":9090"
probeAddr: ":9091"
qps: 20
burst: 40
enableLeaderElection: false
watchNamespace: a,b
featureGates: {RayCronJob: false}
logStdoutEncoder: console
defaultPodLabels: {team: ml, tier: 1}
headSidecarContainers: [{name: side, image: x}]
initContainerResources: {limits: {cpu: 1}}
meaningless: true
"""


def test_a_file_holds_the_same_settings(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(FILE)

    found = read_settings([f"--config={path}"], IN_CLUSTER)

    assert (found.metrics_addr, found.probe_addr) == (":9090", ":9091")
    assert (found.qps, found.burst) == (20, 40)
    assert not found.enable_leader_election
    assert found.watch_namespaces == ("a", "b")
    assert not found.is_on("RayCronJob")
    assert found.logs.stdout_encoder == "console"
    assert found.default_pod_labels == {"team": "ml", "tier": "1"}
    assert found.head_sidecar_containers == ({"name": "side", "image": "x"},)
    assert found.init_container_resources == {"limits": {"cpu": 1}}


def test_a_flag_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(FILE)

    found = read_settings(["--qps=3", f"--config={path}"], IN_CLUSTER)

    assert (found.qps, found.burst) == (3, 40)


@pytest.mark.parametrize(
    "text", ["", "[]", "kind: Other", "kind: Configuration\nqps: [1]", "kind: {"]
)
def test_a_file_that_is_none_ends_the_process(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)

    with pytest.raises(SettingsError, match=r"config\.yaml"):
        read_settings([f"--config={path}"], IN_CLUSTER)


ENVIRONMENT = {
    "a safety net": ({"RAYCLUSTER_DEFAULT_REQUEUE_SECONDS_ENV": "60"}, "resync", timedelta(0, 60)),
    "no safety net": ({"RAYCLUSTER_DEFAULT_REQUEUE_SECONDS_ENV": "0"}, "resync", None),
    "a safety net that is no number": (
        {"RAYCLUSTER_DEFAULT_REQUEUE_SECONDS_ENV": "often"},
        "resync",
        timedelta(seconds=300),
    ),
    "probes off": ({"ENABLE_PROBES_INJECTION": "False"}, "probes_injection", False),
    "only false switches off": ({"ENABLE_PROBES_INJECTION": "no"}, "probes_injection", True),
    "a login shell": ({"ENABLE_LOGIN_SHELL": "TRUE"}, "login_shell", True),
    "only true switches on": ({"ENABLE_LOGIN_SHELL": "yes"}, "login_shell", False),
    "a domain": ({"CLUSTER_DOMAIN": "example.org"}, "cluster_domain", "example.org"),
    "an identity": ({"POD_NAME": "operator-0"}, "identity", "operator-0"),
    "traces": ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, "otlp_endpoint", "http://x"),
    "headless head Services": (
        {"ENABLE_RAY_HEAD_CLUSTER_IP_SERVICE": "false"},
        "head_cluster_ip_service",
        False,
    ),
}


@pytest.mark.parametrize(
    ("environment", "name", "want"), [pytest.param(*c, id=s) for s, c in ENVIRONMENT.items()]
)
def test_the_environment(environment: dict[str, str], name: str, want: object) -> None:
    assert getattr(read_settings([], environment), name) == want
