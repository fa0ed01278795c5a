"""RayClusters on a real API server: they come up, follow their spec, and rest."""

from datetime import timedelta
from functools import partial

import pytest

from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.operator.documents import JsonObject, JsonValue, get_int, get_object, get_text
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import PODS, SERVICES
from support.builders import a_cluster, a_group
from support.control_plane import ControlPlane
from support.kubelet import Fate, Kubelet
from support.operator_in_process import a_running_operator, difference, until_quiet, writes
from support.witness import Witness, name_of, uid_of

REST = timedelta(seconds=3)
"""Long enough for an answer on its way to be counted, and for whatever follows a change."""


async def apply(kube: Kube, document: JsonObject) -> None:
    await kube.create(RAYCLUSTERS, document)


async def patch_spec(kube: Kube, namespace: str, name: str, **spec: JsonValue) -> None:
    await kube.patch(RAYCLUSTERS, Key(namespace, name), {"spec": spec})


async def ready(witness: Witness, name: str) -> JsonObject:
    def look() -> JsonObject | None:
        status = witness.status(name)
        is_up = get_text(status, "state") == "ready" and witness.is_true(name, "Ready")
        return status if is_up else None

    return await witness.until(f"{name} is ready", look)


@pytest.mark.usefixtures("operator", "kubelet")
async def test_a_cluster_becomes_ready_and_its_status_says_so(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    await apply(kube, a_cluster(namespace=namespace, groups=[a_group(replicas=2)]))
    await ready(witness, "demo")
    status = witness.status("demo")
    service = witness.get(SERVICES, "demo-head-svc")
    assert service is not None
    head = witness.pods("headgroup")[0]
    assert get_object(status, "head") == {
        "podIP": get_text(get_object(head, "status"), "podIP"),
        "podName": name_of(head),
        "serviceIP": get_text(get_object(service, "spec"), "clusterIP"),
        "serviceName": "demo-head-svc",
    }
    assert get_object(status, "endpoints") == {
        "client": "10001",
        "dashboard": "8265",
        "dashboard-agent": "52365",
        "gcs-server": "6379",
        "metrics": "8080",
        "serve": "8000",
    }
    counts = ("desiredWorkerReplicas", "availableWorkerReplicas", "readyWorkerReplicas")
    assert [get_int(status, count) for count in counts] == [2, 2, 2]
    assert get_int(status, "observedGeneration") == 1
    for condition in ("HeadPodReady", "RayClusterProvisioned", "SpecValid", "WorkersReady"):
        assert witness.is_true("demo", condition), condition
    for condition in ("RayClusterSuspending", "RayClusterSuspended", "SpecDrift"):
        assert get_text(witness.condition("demo", condition), "status") == "False", condition


@pytest.mark.usefixtures("operator", "kubelet")
async def test_six_pods_cost_nine_writes_and_rest_costs_none(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    before = writes()
    await apply(kube, a_cluster(namespace=namespace, groups=[a_group(replicas=5)]))
    await ready(witness, "demo")
    await witness.stays("it is up", lambda: witness.is_true("demo", "Ready"), REST)
    sent = difference(before, writes())
    del sent["create rayclusters.ray.io"]
    events = sum(n for what, n in sent.items() if "events" in what)
    assert sum(sent.values()) - events <= 9, sent
    after = writes()
    await witness.stays("it rests", lambda: witness.is_true("demo", "Ready"), REST)
    late = {what: n for what, n in difference(after, writes()).items() if "events" not in what}
    assert late == {}


@pytest.mark.usefixtures("operator", "kubelet")
async def test_groups_scale_up_and_down(kube: Kube, namespace: str, witness: Witness) -> None:
    await apply(kube, a_cluster(namespace=namespace, groups=[a_group(replicas=1)]))
    await ready(witness, "demo")
    first = witness.names("small")
    await patch_spec(kube, namespace, "demo", workerGroupSpecs=[a_group(replicas=4)])
    await witness.until("4 workers", lambda: len(witness.names("small")) == 4)
    assert first < witness.names("small")
    await witness.until(
        "4 are ready", lambda: get_int(witness.status("demo"), "readyWorkerReplicas") == 4
    )
    await patch_spec(kube, namespace, "demo", workerGroupSpecs=[a_group(replicas=0)])
    await witness.until("no workers", lambda: not witness.names("small"))
    await witness.until(
        "none counted", lambda: get_int(witness.status("demo"), "availableWorkerReplicas") == 0
    )
    assert len(witness.names("headgroup")) == 1


@pytest.mark.usefixtures("operator", "kubelet")
@pytest.mark.parametrize("group", ["small", "headgroup"])
async def test_a_deleted_pod_is_replaced(
    kube: Kube, namespace: str, witness: Witness, group: str
) -> None:
    await apply(kube, a_cluster(namespace=namespace, groups=[a_group(replicas=2)]))
    await ready(witness, "demo")
    before = uids(witness)
    gone = witness.pods(group)[0]
    await kube.delete(PODS, Key(namespace, name_of(gone)))
    await witness.until("a new pod", lambda: uids(witness, group) - before)
    await ready(witness, "demo")
    assert before - uids(witness) == {uid_of(gone)}


@pytest.mark.usefixtures("operator")
async def test_a_worker_that_never_ends_terminating_delays_nobody(
    kube: Kube, namespace: str, witness: Witness, kubelet: Kubelet
) -> None:
    await apply(kube, a_cluster(namespace=namespace, groups=[a_group(replicas=2)]))
    await ready(witness, "demo")
    kubelet.holds_deletions = True
    gone = min(witness.names("small"))
    await kube.delete(PODS, Key(namespace, gone))
    await witness.until("a replacement", lambda: len(witness.names("small") - {gone}) == 2)
    assert len(witness.pods("small", terminating=True)) == 3


@pytest.mark.usefixtures("operator")
async def test_failed_pods_are_replaced(
    kube: Kube, namespace: str, witness: Witness, kubelet: Kubelet
) -> None:
    await apply(kube, a_cluster(namespace=namespace, groups=[a_group(replicas=1)]))
    await ready(witness, "demo")
    for group in ("headgroup", "small"):
        failed = witness.pods(group)[0]
        await kubelet.set_fate(name_of(failed), Fate.FAILS)
        look = partial(newcomers, witness, group, {uid_of(failed)})
        await witness.until("a new pod", look)
        await ready(witness, "demo")
    told = await witness.until("the head's event", lambda: witness.events("DeletedHeadPod"))
    assert "Failed" in get_text(told[0], "note")
    await witness.until("the worker's event", lambda: witness.events("DeletedWorkerPod"))


@pytest.mark.usefixtures("operator")
async def test_a_head_waits_until_the_old_one_is_gone(
    kube: Kube, namespace: str, witness: Witness, kubelet: Kubelet
) -> None:
    await apply(kube, a_cluster(namespace=namespace))
    await ready(witness, "demo")
    kubelet.holds_deletions = True
    await kube.delete(PODS, Key(namespace, next(iter(witness.names("headgroup")))))
    await witness.until("no head is ready", lambda: not witness.is_true("demo", "HeadPodReady"))
    await witness.stays("one head at most", lambda: len(_heads(witness)) == 1, timedelta(seconds=1))
    await kubelet.release_deletions()
    await ready(witness, "demo")


@pytest.mark.usefixtures("operator", "kubelet")
async def test_suspending_and_resuming(kube: Kube, namespace: str, witness: Witness) -> None:
    await apply(kube, a_cluster(namespace=namespace, groups=[a_group(replicas=2)]))
    await ready(witness, "demo")
    await patch_spec(kube, namespace, "demo", suspend=True)
    await witness.until(
        "it is suspended", lambda: get_text(witness.status("demo"), "state") == "suspended"
    )
    assert witness.is_true("demo", "RayClusterSuspended")
    assert not witness.is_true("demo", "RayClusterProvisioned")
    assert not witness.pods(terminating=True)
    assert witness.get(SERVICES, "demo-head-svc") is not None
    assert len(witness.events("DeletedPod")) == 1
    await patch_spec(kube, namespace, "demo", suspend=None)
    await ready(witness, "demo")
    assert len(witness.names()) == 3


@pytest.mark.usefixtures("operator")
async def test_suspending_once_begun_is_finished(
    kube: Kube, namespace: str, witness: Witness, kubelet: Kubelet
) -> None:
    await apply(kube, a_cluster(namespace=namespace, groups=[a_group(replicas=1)]))
    await ready(witness, "demo")
    before = uids(witness)
    kubelet.holds_deletions = True
    await patch_spec(kube, namespace, "demo", suspend=True)
    await witness.until("all pods end", lambda: not witness.pods())
    await patch_spec(kube, namespace, "demo", suspend=False)
    await witness.stays("nothing is made", lambda: not witness.pods(), timedelta(seconds=1))
    await kubelet.release_deletions()
    await ready(witness, "demo")
    assert not before & uids(witness)


@pytest.mark.usefixtures("operator", "kubelet")
async def test_a_bad_spec_is_told_once_and_others_go_on(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    bad = a_cluster("bad", namespace=namespace, groups=[a_group("headgroup")])
    await apply(kube, bad)
    await apply(kube, a_cluster("good", namespace=namespace))
    await ready(witness, "good")
    told = await witness.until("it is told", lambda: witness.condition("bad", "SpecValid"))
    assert get_text(told, "status") == "False"
    assert "groupName" in get_text(told, "message")
    await witness.until("an event", lambda: witness.events("InvalidRayClusterSpec"))
    assert len(witness.events("InvalidRayClusterSpec")) == 1
    assert not [pod for pod in witness.pods() if name_of(pod).startswith("bad")]
    await patch_spec(kube, namespace, "bad", workerGroupSpecs=[a_group("small")])
    await ready(witness, "bad")


@pytest.mark.usefixtures("operator")
async def test_the_cause_of_trouble_stands_in_the_status(
    kube: Kube, namespace: str, witness: Witness, kubelet: Kubelet
) -> None:
    kubelet.decide = lambda name: Fate.IMAGE_MISSING if "worker" in name else Fate.RUNS
    await apply(kube, a_cluster(namespace=namespace, groups=[a_group(replicas=2)]))
    want = "2x ImagePullBackOff: rayproject/ray:2.52.0"
    within = timedelta(seconds=10)
    await witness.until(
        "the reason", lambda: want in get_text(witness.status("demo"), "reason"), within
    )
    assert want in get_text(witness.condition("demo", "WorkersReady"), "message")


async def test_a_restart_in_the_middle_loses_nothing(
    kube: Kube, namespace: str, witness: Witness, kubelet: Kubelet, control_plane: ControlPlane
) -> None:
    kubelet.decide = lambda name: Fate.RUNS if "head" in name else Fate.STARTS
    config = control_plane.kubeconfig
    async with a_running_operator(config, namespace):
        await apply(kube, a_cluster(namespace=namespace, groups=[a_group(replicas=3)]))
        await witness.until("some pods", lambda: len(witness.names()) >= 2)
    half = witness.names()
    async with a_running_operator(config, namespace):
        await witness.until("all pods", lambda: len(witness.names()) == 4)
        assert half <= witness.names()
        for name in witness.names("small"):
            await kubelet.set_fate(name, Fate.RUNS)
        await ready(witness, "demo")
        before = await until_quiet()
    async with a_running_operator(config, namespace):
        await witness.stays("it rests", lambda: witness.is_true("demo", "Ready"), REST)
    assert difference(before, writes()) == {}


@pytest.mark.usefixtures("operator", "kubelet")
async def test_a_cluster_of_somebody_else_is_left_alone(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    managed = "kueue.x-k8s.io/multikueue"
    await apply(kube, a_cluster("foreign", namespace=namespace, managedBy=managed))
    await apply(kube, a_cluster(namespace=namespace))
    await ready(witness, "demo")
    assert witness.status("foreign") == {}
    assert all(name_of(pod).startswith("demo") for pod in witness.pods())


@pytest.mark.usefixtures("operator", "kubelet")
async def test_workers_named_for_deletion_go_and_foreign_pods_stay(
    kube: Kube, namespace: str, witness: Witness
) -> None:
    await apply(kube, a_cluster("other", namespace=namespace, groups=[a_group(replicas=1)]))
    await apply(kube, a_cluster(namespace=namespace, groups=[a_group(replicas=2)]))
    await ready(witness, "other")
    await ready(witness, "demo")
    foreign = next(name for name in witness.names("small") if name.startswith("other"))
    doomed = next(name for name in witness.names("small") if name.startswith("demo"))
    strategy: JsonObject = {"workersToDelete": [foreign, doomed]}
    group = a_group(replicas=1, scaleStrategy=strategy)
    await patch_spec(kube, namespace, "demo", workerGroupSpecs=[group])
    await witness.until("it is gone", lambda: doomed not in witness.names())
    await ready(witness, "demo")
    assert foreign in witness.names()
    assert len([name for name in witness.names("small") if name.startswith("demo")]) == 1


def uids(witness: Witness, group: str = "") -> set[str]:
    return {uid_of(pod) for pod in witness.pods(group)}


def newcomers(witness: Witness, group: str, known: set[str]) -> set[str]:
    return uids(witness, group) - known


def _heads(witness: Witness) -> tuple[JsonObject, ...]:
    return witness.pods("headgroup", terminating=True)
