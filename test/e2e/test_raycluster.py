"""A RayCluster by itself: it comes up, follows its replicas, and replaces pods that are lost."""

import pytest

from ray_operator.operator.documents import JsonObject, get_int, get_object, get_text, get_texts
from support.findings import Findings
from support.kubectl import Kubectl
from support.manifests import SAMPLES, read_manifest
from support.objects import is_true, live_pods, name_of, uid_of, wait_for_cluster
from support.waiting import expect, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.story]

CLUSTER = read_manifest(SAMPLES / "ray-cluster.sample.yaml")
NAME = CLUSTER.name
HEAD = "ray.io/node-type=head"
WORKER = "ray.io/node-type=worker"


def test_a_cluster_becomes_ready(kube: Kubectl, findings: Findings) -> None:
    """Issue 3, section 5."""
    with findings.timed("kubectl apply of a RayCluster -> ready"):
        kube.apply(CLUSTER.document)
        cluster = wait_for_cluster(kube, NAME)
    for condition in ("HeadPodReady", "RayClusterProvisioned", "Ready"):
        assert is_true(cluster, condition), condition
    (head,) = live_pods(kube, HEAD)
    assert name_of(head).startswith(f"{NAME}-head-")
    assert _workers(cluster) == {"desired": 1, "available": 1, "ready": 1}


def test_the_status_tells_where_the_head_is(kube: Kubectl) -> None:
    """raycluster.md 9.1."""
    status = get_object(kube.get("raycluster", NAME), "status")
    (head,) = live_pods(kube, HEAD)
    service = kube.get("service", f"{NAME}-head-svc")
    assert get_texts(status, "head") == {
        "podIP": get_text(get_object(head, "status"), "podIP"),
        "podName": name_of(head),
        "serviceIP": get_text(get_object(service, "spec"), "clusterIP"),
        "serviceName": name_of(service),
    }
    endpoints = get_texts(status, "endpoints")
    assert (endpoints["dashboard"], endpoints["gcs-server"]) == ("8265", "6379")
    assert {"desiredCPU", "desiredMemory", "stateTransitionTimes"} <= set(status)


def test_ray_itself_counts_the_same_nodes(kube: Kubectl) -> None:
    """Issue 3, section 5: the workers have joined the head."""
    (head,) = live_pods(kube, HEAD)

    def probe() -> None:
        nodes = kube.run("exec", name_of(head), "--", "ray", "list", "nodes", "--format=json")
        expect(nodes.count('"ALIVE"') == 2, nodes)

    wait_until("Ray has two nodes", probe)


def test_more_replicas_bring_more_workers(kube: Kubectl, findings: Findings) -> None:
    """Issue 3, section 5; raycluster.md 6.1."""
    before = _names(kube, WORKER)
    with findings.timed("workers 1 -> 2"):
        _scale(kube, 2)
        _wait_for_workers(kube, 2)
    assert before < _names(kube, WORKER)


def test_fewer_replicas_take_workers_away(kube: Kubectl) -> None:
    """Issue 3, section 5; raycluster.md 6.4."""
    before = _names(kube, WORKER)
    _scale(kube, 1)
    _wait_for_workers(kube, 1)
    assert _names(kube, WORKER) < before


def test_a_deleted_worker_is_replaced(kube: Kubectl, findings: Findings) -> None:
    """Issue 3, section 5; S0-03."""
    (worker,) = live_pods(kube, WORKER)
    (head,) = live_pods(kube, HEAD)
    with findings.timed("worker deleted -> its replacement ready"):
        kube.run("delete", "pod", name_of(worker), "--wait=false")
        wait_until("another worker is ready", lambda: _replaced(kube, WORKER, worker))
        _wait_for_workers(kube, 1)
    assert [uid_of(pod) for pod in live_pods(kube, HEAD)] == [uid_of(head)]


def test_a_deleted_head_is_replaced(kube: Kubectl, findings: Findings) -> None:
    """Issue 3, section 5; S0-03, raycluster.md 6.2."""
    (head,) = live_pods(kube, HEAD)
    with findings.timed("head deleted -> its replacement ready"):
        kube.run("delete", "pod", name_of(head), "--wait=false")
        new = wait_until("another head is ready", lambda: _replaced(kube, HEAD, head))

        def probe() -> None:
            cluster = kube.get("raycluster", NAME)
            status = get_object(cluster, "status")
            known = get_text(get_object(status, "head"), "podName") == name_of(new)
            expect(known and is_true(cluster, "HeadPodReady"), status)

        wait_until("the status tells of the new head", probe)


def test_a_deleted_cluster_takes_its_children_along(kube: Kubectl) -> None:
    """S2-24 for a RayCluster."""
    kube.run("delete", "raycluster", NAME)

    def probe() -> None:
        left = kube.list("pods,services", f"ray.io/cluster={NAME}")
        expect(not left, [name_of(document) for document in left])

    wait_until("nothing is left of the cluster", probe)


def _scale(kube: Kubectl, replicas: int) -> None:
    path = "/spec/workerGroupSpecs/0/replicas"
    kube.patch("raycluster", NAME, [{"op": "replace", "path": path, "value": replicas}], "json")


def _workers(cluster: JsonObject) -> dict[str, int]:
    status = get_object(cluster, "status")
    return {
        "desired": get_int(status, "desiredWorkerReplicas"),
        "available": get_int(status, "availableWorkerReplicas"),
        "ready": get_int(status, "readyWorkerReplicas"),
    }


def _wait_for_workers(kube: Kubectl, count: int) -> None:
    def probe() -> None:
        seen = _workers(kube.get("raycluster", NAME))
        expect(set(seen.values()) == {count}, seen)
        expect(len(live_pods(kube, WORKER)) == count, _names(kube, WORKER))

    wait_until(f"{count} workers are ready", probe)


def _replaced(kube: Kubectl, selector: str, lost: JsonObject) -> JsonObject:
    """Return the one pod that stands in the place of a lost one, when it is ready."""
    pods = [pod for pod in live_pods(kube, selector) if uid_of(pod) != uid_of(lost)]
    expect(len(pods) == 1, _names(kube, selector))
    expect(is_true(pods[0], "Ready"), get_object(pods[0], "status").get("conditions"))
    return pods[0]


def _names(kube: Kubectl, selector: str) -> set[str]:
    return {name_of(pod) for pod in live_pods(kube, selector)}
