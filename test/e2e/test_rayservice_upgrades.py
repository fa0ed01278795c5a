"""What in a RayService's cluster spec brings a new cluster, and what users notice of it: nothing.

Image tags stand for the same Ray in the test cluster, so only the change of the name counts.
"""

import pytest

from ray_operator.operator.documents import get_object, get_objects, get_text
from support.clients import FRUIT, CurlPod, a_stream
from support.findings import Findings
from support.kubectl import Kubectl
from support.manifests import HEAD_CONTAINER, a_rayservice, with_image
from support.objects import (
    active_cluster,
    live_pods,
    name_of,
    wait_for_service,
    wait_until_gone,
)
from support.waiting import expect, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.story, pytest.mark.timeout(900)]

FRUITS = a_rayservice("fruits", workers=1)
OTHER_IMAGE = "rayproject/ray:2.9.0"
HOST = "fruits-serve-svc"


def test_a_service_is_up(kube: Kubectl, asker: CurlPod) -> None:
    """S1-01, S1-02."""
    kube.apply(FRUITS.document)
    wait_for_service(kube, "fruits")
    assert asker.post(HOST, "/fruit/", FRUIT) == "6"


def test_a_changed_image_brings_a_new_cluster_and_no_request_fails(
    kube: Kubectl, findings: Findings
) -> None:
    """S1-13, S2-16, S2-23, S4-11, E-50, E-52, R-01 (new connections)."""
    old = active_cluster(kube.get("rayservice", "fruits"))
    with a_stream(kube, f"http://{HOST}:8000/fruit/", per_second=10) as stream:
        with findings.timed("image changed under load -> new cluster serves"):
            kube.apply(with_image(FRUITS, OTHER_IMAGE).document)
            new = wait_until("a new cluster serves", lambda: _successor(kube, old))
        with findings.timed("new cluster serves -> old one gone"):
            wait_until_gone(kube, "raycluster", old)
            wait_until("the old pods are gone", lambda: _only_pods_of(kube, new))
        counts = stream.stop()
    findings.note("requests during that upgrade", counts)
    assert counts.failed == 0, counts.failures
    assert counts.sent > 100, "the stream was too thin to show anything"
    assert set(counts.answers) == {"6"}
    assert {_image(pod) for pod in live_pods(kube)} == {OTHER_IMAGE}


def test_a_changed_environment_brings_a_new_cluster(
    kube: Kubectl, asker: CurlPod, findings: Findings
) -> None:
    """Issue 3, section 7."""
    old = active_cluster(kube.get("rayservice", "fruits"))
    changed = with_image(FRUITS, OTHER_IMAGE).set(
        f"{HEAD_CONTAINER}.env", [{"name": "FLAVOUR", "value": "sweet"}]
    )
    with findings.timed("environment changed -> new cluster serves"):
        kube.apply(changed.document)
        new = wait_until("a new cluster serves", lambda: _successor(kube, old))
    wait_until_gone(kube, "raycluster", old)
    (head,) = live_pods(kube, f"ray.io/cluster={new},ray.io/node-type=head")
    assert kube.run("exec", name_of(head), "--", "printenv", "FLAVOUR").strip() == "sweet"
    assert asker.post(HOST, "/fruit/", FRUIT) == "6"


def _successor(kube: Kubectl, old: str) -> str:
    """Return the cluster that serves instead of `old`, when both Services select it."""
    active = active_cluster(kube.get("rayservice", "fruits"))
    expect(active not in {"", old}, f"{active} serves")
    for service in (HOST, "fruits-head-svc"):
        selector = get_object(kube.get("service", service), "spec", "selector")
        selected = get_text(selector, "ray.io/cluster")
        expect(selected == active, f"{service} selects {selected}, but {active} serves")
    return active


def _only_pods_of(kube: Kubectl, cluster: str) -> None:
    left = [name_of(pod) for pod in kube.list("pods", f"ray.io/cluster,ray.io/cluster!={cluster}")]
    expect(not left, left)


def _image(pod: object) -> str:
    assert isinstance(pod, dict)
    return get_text(get_objects(get_object(pod, "spec"), "containers")[0], "image")
