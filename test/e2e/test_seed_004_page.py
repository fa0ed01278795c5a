"""The page "Ray Services (alpha)": the single application of Ray Serve's first configuration.

The manifest is that of v0.3.0; the page's images are tags of ours.  Outside the core: the form is
eight releases old.
"""

from pathlib import Path

import pytest

from ray_operator.operator.documents import get_int, get_object, get_objects, get_text
from support.clients import FRUIT, CurlPod
from support.findings import Findings
from support.kubectl import Kubectl
from support.manifests import SEEDS, Manifest, read_manifest
from support.objects import active_cluster, name_of, pending_cluster, wait_for_service
from support.waiting import expect, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.extended,
    pytest.mark.story,
    pytest.mark.timeout(900),
]

FILE: Path = SEEDS / "004_rayservice.yaml"
NAME = "rayservice-sample"
PRICED = read_manifest(FILE).set("spec.serveConfig.deployments.0.userConfig", "price: 4\n")


def test_the_legacy_service_answers_at_the_root_path(
    kube: Kubectl, asker: CurlPod, findings: Findings
) -> None:
    """S4-01, S4-03, S4-09."""
    host = f"{NAME}-serve-svc.{kube.namespace}.svc.cluster.local"
    with findings.timed("kubectl apply of seed 004 -> first 6"):
        kube.apply(FILE)
        asker.wait_for(host, "", FRUIT, "6")
    wait_for_service(kube, NAME)


def test_the_four_services_of_the_page_have_its_ports(kube: Kubectl) -> None:
    """S4-06, S4-07."""
    cluster = active_cluster(kube.get("rayservice", NAME))
    ports = {
        f"{NAME}-head-svc": {6379, 8265, 10001, 8000, 52365},
        f"{cluster}-head-svc": {6379, 8265, 10001, 8000, 52365},
        f"{cluster}-dashboard-svc": {52365},
        f"{NAME}-serve-svc": {8000},
    }
    for service, wanted in ports.items():
        spec = get_object(kube.get("service", service), "spec")
        assert get_text(spec, "type") == "ClusterIP"
        assert wanted <= {get_int(port, "port") for port in get_objects(spec, "ports")}


def test_a_changed_price_is_applied_in_place(kube: Kubectl, asker: CurlPod) -> None:
    """S4-14."""
    before = active_cluster(kube.get("rayservice", NAME))
    kube.apply(PRICED.document)
    asker.wait_for(f"{NAME}-serve-svc", "", FRUIT, "8")
    service = wait_for_service(kube, NAME)
    assert active_cluster(service) == before
    shown = get_objects(
        get_object(service, "status", "activeServiceStatus"), "serveDeploymentStatuses"
    )
    keys = {"healthLastUpdateTime", "lastUpdateTime", "name", "status"}
    assert all(keys <= set(each) for each in shown)
    assert "MangoStand" in {get_text(each, "name") for each in shown}


def test_changed_replicas_bring_a_pending_cluster_that_takes_over(kube: Kubectl) -> None:
    """S4-15: for the legacy manifest, unlike for seed 002's."""
    old = active_cluster(kube.get("rayservice", NAME))
    grown: Manifest = PRICED.set("spec.rayClusterConfig.workerGroupSpecs.0.replicas", 2)
    kube.apply(grown.document)

    def pending() -> str:
        service = kube.get("rayservice", NAME)
        shown = get_object(service, "status", "pendingServiceStatus")
        expect(pending_cluster(service), shown)
        assert "appStatus" in shown
        assert "rayClusterStatus" in shown
        return pending_cluster(service)

    new = wait_until("a pending cluster is shown", pending)

    def taken_over() -> None:
        clusters = [name_of(cluster) for cluster in kube.list("raycluster")]
        active = active_cluster(kube.get("rayservice", NAME))
        expect((active, clusters) == (new, [new]), f"{active} serves, there are {clusters}")

    assert new != old
    wait_until("the pending cluster has taken over", taken_over)
