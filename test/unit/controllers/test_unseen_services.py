"""Services that the cache does not show: somebody else's, and ours that lost their label."""

from datetime import timedelta

from ray_operator.api import labels
from ray_operator.operator.documents import JsonObject, get_object, get_text, get_texts
from ray_operator.operator.keys import Key
from ray_operator.operator.resources import PODS, SERVICES
from support.builders import UID, a_cluster, stored
from support.desk import Desk, a_desk

HEAD_SERVICE = Key("ns1", "demo-head-svc")


def a_service(owner: str) -> JsonObject:
    reference = {"kind": "RayCluster", "name": "demo", "uid": owner}
    return {
        "metadata": {
            "namespace": HEAD_SERVICE.namespace,
            "name": HEAD_SERVICE.name,
            "uid": "uid-of-service",
            "labels": {"mine": "x"},
            "ownerReferences": [{**reference, "controller": True}],
        },
        "spec": {"selector": {"app": "mine"}, "ports": [{"port": 80}]},
    }


def a_scene(there: JsonObject) -> tuple[Desk, Key]:
    desk = a_desk()
    desk.kube.there[SERVICES, HEAD_SERVICE] = there
    return desk, desk.caches.rayclusters.put(stored(a_cluster()), listed=True)


def attempts(desk: Desk) -> list[JsonObject]:
    return [manifest for resource, manifest in desk.kube.creations if resource == SERVICES]


def reasons(desk: Desk) -> list[str]:
    return [note.reason for _, note in desk.told.notes]


async def test_somebody_elses_service_is_told_left_alone_and_holds_up_nothing_else() -> None:
    desk, key = a_scene(a_service(owner="somebody"))
    again = await desk.rayclusters.reconcile(key)
    assert again.check_again == timedelta(milliseconds=100)
    result = await desk.rayclusters.reconcile(key)

    assert result.check_again is not None
    assert result.check_again <= timedelta(seconds=60)
    assert any(resource == PODS for resource, _ in desk.kube.creations)
    assert "FailedToCreateService" in reasons(desk)
    assert not [patch for patch in desk.kube.patches if patch[0] == SERVICES]
    assert not attempts(desk)


async def test_the_name_is_taken_again_once_it_is_free() -> None:
    desk, key = a_scene(a_service(owner="somebody"))
    await desk.rayclusters.reconcile(key)
    await desk.rayclusters.reconcile(key)
    desk.kube.there.clear()
    await desk.rayclusters.reconcile(key)
    assert not attempts(desk)
    desk.clock.advance(timedelta(seconds=61))
    await desk.rayclusters.reconcile(key)
    (made,) = attempts(desk)
    assert get_text(get_object(made, "metadata"), "name") == HEAD_SERVICE.name


async def test_our_own_service_that_lost_its_label_gets_it_back() -> None:
    desk, key = a_scene(a_service(owner=UID))
    await desk.rayclusters.reconcile(key)
    await desk.rayclusters.reconcile(key)

    ((_, patched, _, body),) = [patch for patch in desk.kube.patches if patch[0] == SERVICES]
    assert patched == HEAD_SERVICE
    assert isinstance(body, dict)
    wanted = get_texts(get_object(body, "metadata"), "labels")
    assert wanted[labels.CREATED_BY] == labels.CREATED_BY_VALUE
    assert not attempts(desk)
