"""Which changes somebody waits for."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from ray_operator.controllers.urgency import urgency_for, urgency_of
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator.documents import JsonObject, JsonValue, get_object
from ray_operator.operator.urgency import Urgency
from ray_operator.operator.workqueue import WorkQueue
from support.builders import a_cluster, a_view, stored
from support.desk import a_desk

READY = "RayClusterProvisioned"
NEW = a_view(a_cluster())
DONE = replace(NEW, phase=f"HeadPodReady,{READY}")
ENDING = replace(DONE, deleted=datetime(2026, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Case:
    old: ResourceView | None
    new: ResourceView | None
    want: Urgency
    is_first_list: bool = False


CASES = {
    "it was created": Case(None, NEW, Urgency.ASKED),
    "it is not ready yet": Case(NEW, NEW, Urgency.ASKED),
    "it was created while nobody looked": Case(None, NEW, Urgency.ASKED, is_first_list=True),
    "it was edited": Case(DONE, replace(DONE, generation=99), Urgency.ASKED),
    "its state changed": Case(replace(DONE, phase=READY), DONE, Urgency.CHANGED),
    "it became ready": Case(NEW, DONE, Urgency.CHANGED),
    "it stands in the first list": Case(None, DONE, Urgency.ROUTINE, is_first_list=True),
    "it is being deleted": Case(DONE, ENDING, Urgency.ENDING),
    "it was being deleted while nobody looked": Case(
        None, ENDING, Urgency.ENDING, is_first_list=True
    ),
    "it is gone": Case(ENDING, None, Urgency.ENDING),
}


@pytest.mark.parametrize("case", [pytest.param(c, id=s) for s, c in CASES.items()])
def test_a_change_of_an_object(case: Case) -> None:
    first = case.is_first_list

    assert urgency_of(case.old, case.new, ready=READY, is_first_list=first) is case.want


@pytest.mark.parametrize(
    ("owner", "is_first_list", "want"),
    [
        pytest.param(None, False, Urgency.CHANGED, id="its owner is not known"),
        pytest.param(NEW, False, Urgency.ASKED, id="its owner is not ready yet"),
        pytest.param(NEW, True, Urgency.ASKED, id="same, in the first list"),
        pytest.param(DONE, False, Urgency.CHANGED, id="its owner is ready"),
        pytest.param(DONE, True, Urgency.ROUTINE, id="same, in the first list again"),
    ],
)
def test_a_change_of_a_child(
    owner: ResourceView | None,
    is_first_list: bool,  # noqa: FBT001 - a column of the table
    want: Urgency,
) -> None:
    assert urgency_for(owner, ready=READY, is_first_list=is_first_list) is want


# -- wired: what the caches tell reaches the queues with its urgency


def a_ready(name: str, kind: str, condition: str, **metadata: JsonValue) -> JsonObject:
    document = stored(a_cluster(name), uid=f"uid-of-{name}")
    return {
        **document,
        "kind": kind,
        "metadata": {**get_object(document, "metadata"), **metadata},
        "status": {"conditions": [{"type": condition, "status": "True"}]},
    }


async def first_of(queue: WorkQueue) -> str:
    key = await asyncio.wait_for(queue.get(), 60)
    queue.done(key)
    return key.name


@pytest.mark.parametrize("kind", ["RayCluster", "RayService"])
async def test_a_deletion_and_a_new_object_pass_a_mass_of_others(kind: str) -> None:
    desk = a_desk()
    is_service = kind == "RayService"
    informer = desk.caches.rayservices if is_service else desk.caches.rayclusters
    queue = desk.rayservices_queue if is_service else desk.rayclusters_queue
    ready = "Ready" if is_service else READY
    for number in range(100):
        informer.put(a_ready(f"mass-{number}", kind, ready), listed=True)
    informer.put(a_ready("new", kind, "SomethingElse"), listed=False)
    gone: JsonObject = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    informer.put(a_ready("ending", kind, ready, **gone), listed=False)

    assert {await first_of(queue), await first_of(queue)} == {"new", "ending"}


@pytest.mark.parametrize("kind", ["RayCluster", "RayService"])
async def test_what_belongs_to_a_new_object_passes_what_belongs_to_a_mass_of_others(
    kind: str,
) -> None:
    desk = a_desk()
    is_service = kind == "RayService"
    informer = desk.caches.rayservices if is_service else desk.caches.rayclusters
    queue = desk.rayservices_queue if is_service else desk.rayclusters_queue
    names = [*(f"mass-{number}" for number in range(50)), "new"]
    for name in names:
        ready = "SomethingElse" if name == "new" else "Ready" if is_service else READY
        informer.put(a_ready(name, kind, ready), listed=True)
    for _ in names:
        queue.done(await queue.get())
    for name in names:
        child: JsonObject = {
            "metadata": {
                "namespace": "ns1",
                "name": f"service-of-{name}",
                "uid": f"uid-of-service-of-{name}",
                "resourceVersion": "1",
                "ownerReferences": [
                    {"kind": kind, "name": name, "uid": f"uid-of-{name}", "controller": True}
                ],
            }
        }
        desk.caches.services.put(child, listed=False)

    assert await first_of(queue) == "new"
