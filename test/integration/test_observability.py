"""What the operator tells of itself, on a real API server, to whom, and what it never tells."""

import base64
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.operator import metrics
from ray_operator.operator.documents import JsonObject, get_text
from ray_operator.operator.kube import Kube
from support.builders import a_cluster, a_group
from support.certificates import make_certificate
from support.collector import running_collector
from support.control_plane import ControlPlane
from support.kubelet import a_kubelet
from support.operator_in_process import a_running_operator
from support.operator_process import PATIENCE_SECONDS, Running, running
from support.service_scene import a_service_scene
from support.witness import a_witness

ROOT = Path(__file__).parents[2]


@dataclass
class Installed:
    """The operator as config/default installs it: with the rights of its own ServiceAccount."""

    operator: Running
    plane: ControlPlane
    namespace: str
    certificates: Path
    token: str

    def token_of(self, account: str) -> str:
        """Make a ServiceAccount, and return a token of it."""
        self.plane.kubectl("create", "serviceaccount", account, "-n", self.namespace)
        return self.plane.kubectl("create", "token", account, "-n", self.namespace).strip()

    def scrape(self, token: str = "") -> tuple[int, str]:
        """Ask for the metrics over TLS."""
        context = ssl.create_default_context(cafile=str(self.certificates / "tls.crt"))
        url = f"https://127.0.0.1:{self.operator.metrics}/metrics"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(url, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60, context=context) as answer:  # noqa: S310 - our own loopback URL
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def let_read(self, account: str) -> None:
        """Bind the reader's role to a ServiceAccount."""
        subject = f"--serviceaccount={self.namespace}:{account}"
        role = "--clusterrole=ray-operator-metrics-reader"
        name = f"reader-{self.namespace}"
        self.plane.kubectl("create", "clusterrolebinding", name, role, subject)


@pytest.fixture
def installed(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Installed]:
    control_plane.kubectl("apply", "-k", str(ROOT / "config" / "default"))
    token = control_plane.kubectl("create", "token", "ray-operator", "-n", "ray-system").strip()
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    make_certificate(certificates, "operator")
    flags = (
        "--leader-election-namespace=ray-system",
        "--metrics-secure",
        f"--metrics-cert-path={certificates}",
        "--zap-log-level=debug",
    )
    kubeconfig = control_plane.kubeconfig_with(token)
    with running(kubeconfig, namespace, tmp_path, "installed", *flags) as operator:
        operator.wait_for("the caches are filled")
        yield Installed(operator, control_plane, namespace, certificates, token)
        operator.end()


def test_metrics_are_for_those_who_were_let_in(installed: Installed) -> None:
    prometheus, nobody = installed.token_of("prometheus"), installed.token_of("nobody")
    installed.let_read("prometheus")

    assert installed.scrape() == (401, "Unauthorized\n")
    assert installed.scrape("made-up") == (401, "Unauthorized\n")
    assert installed.scrape(nobody) == (403, "Forbidden\n")
    status, text = installed.scrape(prometheus)
    assert status == 200
    assert "\nray_operator_leader 1.0\n" in text
    assert '\nleader_election_master_status{name="ray-operator-leader"} 1.0\n' in text
    host = installed.plane.url.removeprefix("https://")
    assert f'rest_client_requests_total{{code="200",host="{host}",method="GET"}}' in text
    assert installed.operator.probe("/readyz?verbose")[0] == 200


def test_no_token_and_no_secret_is_ever_logged_at_debug_neither(installed: Installed) -> None:
    manifest = a_guarded_cluster(installed.namespace)
    installed.plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    installed.scrape("a-scrapers-token")
    wait_for_a_pod(installed.operator, installed.plane, installed.namespace)
    secret = the_secret(installed)
    installed.operator.end()

    log = installed.operator.log.read_text()
    assert '"level":"debug"' in log
    assert "cannot" not in log, "a right that config/rbac forgot"
    assert "guarded" in log
    for told in (
        installed.token,
        secret,
        base64.b64encode(secret.encode()).decode(),
        "a-scrapers-token",
        installed.plane.token,
    ):
        assert told not in log


def a_guarded_cluster(namespace: str) -> JsonObject:
    """A RayCluster with Ray's token authentication."""
    container = {"name": "ray", "image": "ray:2.60.0"}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": "guarded", "namespace": namespace},
        "spec": {
            "authOptions": {"mode": "token"},
            "rayVersion": "2.60.0",
            "headGroupSpec": {"template": {"spec": {"containers": [container]}}},
        },
    }


def wait_for_a_pod(operator: Running, plane: ControlPlane, namespace: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not plane.kubectl("get", "pods", "-n", namespace, "-o=name"):
        assert time.monotonic() < deadline, operator.log.read_text()
        time.sleep(0.1)


def the_secret(installed: Installed) -> str:
    """Return the token that the operator made for the cluster."""
    path = "-o=jsonpath={.items[*].data.auth_token}"
    found = installed.plane.kubectl("get", "secrets", "-n", installed.namespace, path)
    return base64.b64decode(found).decode()


def test_the_program_sends_its_spans_where_the_environment_says(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with running(control_plane.kubeconfig, namespace, tmp_path) as operator:
            operator.wait_for("the caches are filled")
            manifest = json.dumps(a_guarded_cluster(namespace))
            control_plane.kubectl("apply", "-f", "-", stdin=manifest)
            wait_for_a_pod(operator, control_plane, namespace)
            assert operator.end()[0] == 0

    reconciles = {s.id: s for s in collector.spans if s.name == "reconcile raycluster"}
    (creation, *_) = (span for span in collector.spans if span.name == "create pods")
    assert creation.parent in reconciles
    parent = reconciles[creation.parent]
    assert parent.trace == creation.trace
    assert (parent.fields["namespace"], parent.fields["name"]) == (namespace, "guarded")


def ready_clusters() -> float:
    count = "ray_operator_cluster_ready_seconds_count"
    return metrics.REGISTRY.get_sample_value(count) or 0


async def test_a_clusters_time_to_ready_is_told_once_a_restart_included(
    control_plane: ControlPlane, kube: Kube, namespace: str
) -> None:
    before = ready_clusters()
    async with a_kubelet(kube, namespace), a_witness(kube, namespace) as witness:

        def is_ready(name: str) -> bool:
            return get_text(witness.status(name), "state") == "ready"

        async with a_running_operator(control_plane.kubeconfig, namespace):
            cluster = a_cluster(namespace=namespace, groups=[a_group(replicas=1)])
            await kube.create(RAYCLUSTERS, cluster)
            await witness.until("it is ready", lambda: is_ready("demo"))
        assert ready_clusters() == before + 1

        async with a_running_operator(control_plane.kubeconfig, namespace):
            second = a_cluster("second", namespace=namespace, groups=[a_group(replicas=1)])
            await kube.create(RAYCLUSTERS, second)
            await witness.until("the second is ready", lambda: is_ready("second"))
        assert ready_clusters() == before + 2


def milestones_of_services() -> tuple[float, ...]:
    """Count first readinesses, switches and finished upgrades so far."""
    ended = {"strategy": "NewCluster", "outcome": "switched"}
    found = (
        metrics.REGISTRY.get_sample_value("ray_operator_service_ready_seconds_count"),
        metrics.REGISTRY.get_sample_value("ray_operator_service_switch_seconds_count"),
        metrics.REGISTRY.get_sample_value("ray_operator_service_upgrades_total", ended),
    )
    return tuple(value or 0 for value in found)


async def test_a_services_milestones_are_told_once_a_restart_included(
    control_plane: ControlPlane, kube: Kube, namespace: str
) -> None:
    before = milestones_of_services()
    async with a_service_scene(control_plane, kube, namespace) as scene:
        async with scene.operator():
            await scene.apply()
            first = await scene.until(lambda s: s.is_running)
            await scene.edit(rayClusterConfig={"rayVersion": "2.100.0"})
            second = await scene.until(lambda s: s.is_running and s.active != first.active)
            # Counted when the write is answered, which a watch may outrun; the end comes at once.
            await scene.until(lambda _: milestones_of_services()[-1] > before[-1])
        async with scene.operator():
            await scene.edit_config("price: 3", "price: 4")
            await scene.until(lambda _: scene.price(second.active) == 4)

    told = zip(milestones_of_services(), before, strict=True)
    assert [now - then for now, then in told] == [1, 2, 1]
