"""Those who judge: the comparison, the guard and the table see what they are there to see."""

from faults.comparison import State, state_of
from faults.guard import HEAD, Guard
from faults.table import Outcome, Table
from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.operator.documents import JsonObject, JsonValue
from ray_operator.operator.resources import PODS, SERVICES, Resource
from support.kubelet import RawView, project


def a_pod(name: str, uid: str, *, owner: str = "owner", group: str = "small") -> JsonObject:
    metadata: dict[str, JsonValue] = {
        "namespace": "ns",
        "name": name,
        "uid": uid,
        "resourceVersion": uid,
        "labels": {"ray.io/cluster": "demo", "ray.io/group": group},
        "ownerReferences": [{"kind": "RayCluster", "name": "demo", "uid": owner}],
    }
    return {"metadata": metadata, "status": {"phase": "Running", "podIP": "10.1.0.7"}}


def a_cluster(head: str, at: str, uid: str = "owner") -> JsonObject:
    metadata: JsonObject = {"namespace": "ns", "name": "demo", "uid": uid}
    status: JsonObject = {"head": {"podName": head}, "lastUpdateTime": at, "since": at}
    return {"metadata": metadata, "status": status}


def a_service(port: int) -> JsonObject:
    ports: list[JsonValue] = [{"name": "serve", "nodePort": port}]
    return {"metadata": {"name": "svc", "uid": "s"}, "spec": {"ports": ports}}


def ending(pod: JsonObject) -> RawView:
    metadata = pod["metadata"]
    assert isinstance(metadata, dict)
    return project({**pod, "metadata": {**metadata, "deletionTimestamp": "2026-01-01T00:00:00Z"}})


def state(*objects: tuple[Resource, JsonObject]) -> State:
    return state_of("ns", objects)


NINE, TEN = "2026-01-01T09:00:00Z", "2026-01-01T10:00:00Z"
ONE = state((RAYCLUSTERS, a_cluster("head-a", NINE)), (PODS, a_pod("head-a", "1", group=HEAD)))


def test_times_uids_and_generated_names_make_no_difference() -> None:
    pod = a_pod("head-b", "2", group=HEAD, owner="other")
    assert state((RAYCLUSTERS, a_cluster("head-b", TEN, "other")), (PODS, pod)) == ONE


def test_a_status_that_names_a_pod_that_is_not_there_differs() -> None:
    pod = a_pod("head-b", "2", group=HEAD)
    other = state((RAYCLUSTERS, a_cluster("head-a", NINE)), (PODS, pod))
    assert '"podName": "head-a"' in ONE.differences(other)


def test_ports_that_the_api_server_draws_make_no_difference() -> None:
    assert state((SERVICES, a_service(30001))) == state((SERVICES, a_service(30002)))


def test_a_pod_too_many_and_a_pod_too_few_are_told() -> None:
    cluster = (RAYCLUSTERS, a_cluster("", NINE))
    one = state(cluster, (PODS, a_pod("pod-a", "1")))
    two = state(cluster, (PODS, a_pod("pod-b", "2")), (PODS, a_pod("pod-c", "3")))
    assert one.differences(two) == "too many: Pod <pod of small>"
    assert two.differences(one) == "missing: Pod <pod of small>"


def test_an_orphan_is_told() -> None:
    alone = state((PODS, a_pod("pod-a", "1")))
    assert "orphan: Pod pod-a" in State({}).differences(alone)


def test_a_living_pod_too_many_is_noted_and_one_that_ends_is_not() -> None:
    guard = Guard()
    guard.allow("demo", {"small": 1})
    first = project(a_pod("pod-a", "1"))
    guard.see(None, first)
    guard.see(first, ending(a_pod("pod-a", "1")))
    guard.see(None, project(a_pod("pod-b", "2")))
    assert guard.violations == []
    guard.see(None, project(a_pod("pod-c", "3")))
    assert guard.violations == ["2 living pods in small, 1 are wanted: pod-b, pod-c"]


def test_a_second_head_is_noted_even_beside_one_that_ends() -> None:
    guard = Guard()
    guard.see(None, ending(a_pod("pod-a", "1", group=HEAD)))
    guard.see(None, project(a_pod("pod-b", "2", group=HEAD)))
    assert guard.violations == ["a second head beside one that is still there: pod-a, pod-b"]


def test_the_table_counts_only_faults_that_acted() -> None:
    table = Table()
    table.record("raycluster", "create", "kills", Outcome.HELD)
    table.record("raycluster", "create", "kills", Outcome.FAILED)
    table.record("raycluster", "delete", "kills", Outcome.MISSED)
    assert table.tried == 2
    assert table.lines()[:2] == [
        "raycluster  create  delete  total",
        "kills          1/2       -    1/2",
    ]
