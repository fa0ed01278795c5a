"""What in a RayService's cluster spec brings a new cluster, and what users notice of it: nothing.

Image tags stand for the same Ray in the test cluster, so only the change of the name counts.
Requests come all the while, each on a connection of its own.
"""

from collections.abc import Iterator

import pytest

from ray_operator.operator.documents import get_object, get_objects, get_text
from support.clients import Stream, a_stream
from support.findings import Findings
from support.kubectl import Kubectl
from support.manifests import HEAD_CONTAINER, a_rayservice, with_image
from support.objects import (
    RAY_NODE,
    active_cluster,
    live_pods,
    name_of,
    wait_for_service,
)
from support.waiting import expect, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.story, pytest.mark.timeout(900)]

FRUITS = a_rayservice("fruits", workers=1)
OTHER_IMAGE = with_image(FRUITS, "rayproject/ray:2.9.0")
OTHER_ENVIRONMENT = OTHER_IMAGE.set(
    f"{HEAD_CONTAINER}.env", [{"name": "FLAVOUR", "value": "sweet"}]
)
HOST = "fruits-serve-svc"


@pytest.fixture(scope="module")
def stream(kube: Kubectl) -> Iterator[Stream]:
    """A service that is up, and ten requests a second to it."""
    kube.apply(FRUITS.document)
    wait_for_service(kube, "fruits")
    with a_stream(kube, f"http://{HOST}:8000/fruit/", per_second=10) as stream:
        yield stream


@pytest.mark.usefixtures("stream")
def test_a_changed_image_brings_a_new_cluster(kube: Kubectl, findings: Findings) -> None:
    """S1-13, S2-23."""
    old = active_cluster(kube.get("rayservice", "fruits"))
    with findings.timed("image changed under load -> new cluster serves"):
        kube.apply(OTHER_IMAGE.document)
        new = wait_until("a new cluster serves", lambda: _successor(kube, old))
    assert _images(kube, f"ray.io/cluster={new}") == {"rayproject/ray:2.9.0"}
    with findings.timed("new cluster serves -> old one deleted"):
        wait_until("the new cluster is the only one", lambda: _only_cluster(kube, new))


@pytest.mark.usefixtures("stream")
def test_a_changed_environment_brings_a_new_cluster(kube: Kubectl, findings: Findings) -> None:
    """Issue 3, section 7."""
    old = active_cluster(kube.get("rayservice", "fruits"))
    with findings.timed("environment changed under load -> new cluster serves"):
        kube.apply(OTHER_ENVIRONMENT.document)
        new = wait_until("a new cluster serves", lambda: _successor(kube, old))
    (head,) = live_pods(kube, f"ray.io/cluster={new},ray.io/node-type=head")
    assert kube.run("exec", name_of(head), "--", "printenv", "FLAVOUR").strip() == "sweet"


def test_no_request_failed_meanwhile(kube: Kubectl, stream: Stream, findings: Findings) -> None:
    """S1-12, S1-13, S2-16, S4-11, E-50, E-52, R-01: as far as new connections go."""
    wait_until("the last pod of the first cluster has ended", lambda: _no_first_pods(kube))
    counts = stream.stop()
    findings.note("requests during these two upgrades", counts)
    assert counts.failed == 0, counts.failures
    assert set(counts.answers) == {"6"}
    assert counts.sent > 100, "the stream was too thin to show anything"


def _successor(kube: Kubectl, old: str) -> str:
    """Return the cluster that serves instead of `old`, when both Services select it."""
    active = active_cluster(kube.get("rayservice", "fruits"))
    expect(active not in {"", old}, f"{active} serves")
    for service in (HOST, "fruits-head-svc"):
        selector = get_object(kube.get("service", service), "spec", "selector")
        selected = get_text(selector, "ray.io/cluster")
        expect(selected == active, f"{service} selects {selected}, but {active} serves")
    return active


def _only_cluster(kube: Kubectl, cluster: str) -> None:
    names = [name_of(each) for each in kube.list("raycluster")]
    expect(names == [cluster], names)


def _images(kube: Kubectl, selector: str) -> set[str]:
    pods = [get_object(pod, "spec") for pod in kube.list("pods", selector)]
    return {get_text(each, "image") for pod in pods for each in get_objects(pod, "containers")}


def _no_first_pods(kube: Kubectl) -> None:
    """Pods of the first cluster are known by their image."""
    images = _images(kube, RAY_NODE)
    expect("rayproject/ray:2.6.3" not in images, images)
