"""The operator is killed in the middle of each step, and the step finishes after its restart.

The moment of each kill is chosen by what the cluster shows.  The kill is as hard as it gets:
SIGKILL, and the pod deleted by force.  A fresh operator has nothing but the API's objects and Ray's
answers to go on from, and leads once the Lease of the dead one has run out.
"""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from ray_operator.operator.documents import JsonObject, get_object, get_text
from support.clients import FRUIT, CurlPod
from support.findings import Findings
from support.kubectl import Kubectl
from support.manifests import a_rayservice, with_image
from support.objects import (
    active_cluster,
    is_true,
    live_pods,
    name_of,
    pending_cluster,
    phase_of,
    wait_for_service,
    wait_until_gone,
)
from support.operator_pod import Killer, a_killer, wait_for_operator
from support.waiting import expect, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.story, pytest.mark.timeout(900)]

FRUITS = a_rayservice("fruits", workers=1)
PRICED = FRUITS.replace("price: 3", "price: 5")
HOST = "fruits-serve-svc"
SUBMITTED = "ray.io/serve-config-submitted"
HEAD = "ray.io/node-type=head"


@pytest.fixture(scope="module")
def killer(kube: Kubectl) -> Iterator[Killer]:
    """Whoever kills the operator."""
    with a_killer(kube) as pod:
        yield pod


def _no_cluster_yet(kube: Kubectl) -> None:
    """Nothing to wait for: the RayService was applied a moment ago."""


def _pods_start(kube: Kubectl) -> None:
    pods = live_pods(kube)
    phases = [phase_of(pod) for pod in pods]
    expect(len(pods) == 2 and not all(is_true(pod, "Ready") for pod in pods), phases)


def _head_is_ready(kube: Kubectl) -> None:
    heads = live_pods(kube, HEAD)
    expect(any(is_true(head, "Ready") for head in heads), [phase_of(head) for head in heads])


def _config_is_submitted(kube: Kubectl) -> None:
    clusters = kube.list("raycluster")
    expect(any(_is_submitted(cluster) for cluster in clusters), [*map(name_of, clusters)])


def _is_submitted(cluster: JsonObject) -> bool:
    return bool(get_text(get_object(cluster, "metadata", "annotations"), SUBMITTED))


BRINGING_UP: dict[str, Callable[[Kubectl], None]] = {
    "before the cluster exists": _no_cluster_yet,
    "while the pods start": _pods_start,
    "when the head is ready, before or while the configuration is submitted": _head_is_ready,
    "after the configuration was submitted": _config_is_submitted,
}


def test_a_service_comes_up_though_the_operator_dies_at_every_step(
    kube: Kubectl, asker: CurlPod, killer: Killer, findings: Findings
) -> None:
    """Issue 3, last paragraph; R-03."""
    with findings.timed(f"kubectl apply, operator killed {len(BRINGING_UP)} times -> first 6"):
        kube.apply(FRUITS.document)
        for moment, is_there in BRINGING_UP.items():
            wait_until(moment, partial(is_there, kube))
            killer.kill_operator()
        asker.wait_for(HOST, "/fruit/", FRUIT, "6")
    wait_for_service(kube, "fruits")
    assert len(kube.list("raycluster")) == 1
    assert len(live_pods(kube)) == 2


def test_a_change_that_the_dying_operator_may_have_begun_is_applied_in_place(
    kube: Kubectl, asker: CurlPod, killer: Killer, findings: Findings
) -> None:
    """Issue 3, last paragraph; R-03."""
    cluster = active_cluster(kube.get("rayservice", "fruits"))
    wait_for_operator()
    with findings.timed("price changed, operator killed at once -> first 8"):
        kube.apply(FRUITS.replace("price: 3", "price: 4").document)
        killer.kill_operator()
        asker.wait_for(HOST, "/fruit/", FRUIT, "8")
    assert active_cluster(wait_for_service(kube, "fruits")) == cluster


def test_a_change_that_no_operator_saw_is_applied_in_place(
    kube: Kubectl, asker: CurlPod, killer: Killer, findings: Findings
) -> None:
    """Issue 3, last paragraph; R-03."""
    cluster = active_cluster(kube.get("rayservice", "fruits"))
    with findings.timed("price changed while the operator is dead -> first 10"):
        killer.kill_operator()
        kube.apply(PRICED.document)
        asker.wait_for(HOST, "/fruit/", FRUIT, "10")
    assert active_cluster(wait_for_service(kube, "fruits")) == cluster


def test_an_upgrade_finishes_though_the_operator_dies_before_and_after_the_switch(
    kube: Kubectl, asker: CurlPod, killer: Killer, findings: Findings
) -> None:
    """Issue 3, last paragraph; R-03, E-52, E-54."""
    old = active_cluster(kube.get("rayservice", "fruits"))
    with findings.timed("image changed, operator killed before and after the switch -> old gone"):
        kube.apply(with_image(PRICED, "rayproject/ray:2.9.0").document)
        wait_until("a new cluster is being prepared", lambda: _is_pending(kube))
        killer.kill_operator()
        wait_until("the Services select another cluster", lambda: _is_switched(kube, old))
        killer.kill_operator()
        wait_until_gone(kube, "raycluster", old)
    assert active_cluster(wait_for_service(kube, "fruits")) != old
    assert len(kube.list("raycluster")) == 1
    assert asker.post(HOST, "/fruit/", FRUIT) == "10"


def _is_pending(kube: Kubectl) -> None:
    service = kube.get("rayservice", "fruits")
    pending = pending_cluster(service)
    expect(pending and kube.find("raycluster", pending), get_object(service, "status"))


def _is_switched(kube: Kubectl, old: str) -> None:
    selector = get_object(kube.get("service", HOST), "spec", "selector")
    expect(get_text(selector, "ray.io/cluster") not in {"", old}, selector)
