"""A bug that an object brings out is told on that object."""

from dataclasses import dataclass, field

import pytest

from ray_operator.controllers.internal_errors import Guarded, Teller
from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.operator.controller import Result
from ray_operator.operator.documents import JsonObject, get_object, get_objects
from ray_operator.operator.errors import Forbidden
from ray_operator.operator.keys import Key
from ray_operator.operator.logs import log_context
from support.builders import a_cluster, stored
from support.desk import Desk, a_desk


@dataclass
class Broken:
    """Raises what is next, then succeeds."""

    errors: list[Exception] = field(default_factory=list)

    async def reconcile(self, _key: Key) -> Result:
        if self.errors:
            raise self.errors.pop(0)
        return Result()


def guard(desk: Desk, *errors: Exception) -> Guarded:
    teller = Teller(RAYCLUSTERS, desk.caches.raycluster, desk.statuses, desk.told, desk.clock)
    return Guarded(Broken(list(errors)), teller)


def put(desk: Desk, status: JsonObject, version: str) -> Key:
    document = stored(a_cluster())
    metadata = {**get_object(document, "metadata"), "resourceVersion": version}
    return desk.caches.rayclusters.put(
        {**document, "metadata": metadata, "status": status}, listed=True
    )


def conditions_written(desk: Desk) -> tuple[JsonObject, ...]:
    _, _, subresource, body = desk.kube.patches[-1]
    assert subresource == "status"
    assert isinstance(body, dict)
    return get_objects(body["status"], "conditions")


OTHER: JsonObject = {"type": "Ready", "status": "True", "reason": "AllReady", "message": ""}


async def test_a_bug_stands_on_the_object_and_goes_on_to_the_queue() -> None:
    desk = a_desk()
    key = put(desk, {"conditions": [OTHER]}, "1")
    guarded = guard(desk, ExceptionGroup("x", [Forbidden("no"), KeyError("spec")]))
    with log_context(reconcile_id="abc123"), pytest.raises(ExceptionGroup):
        await guarded.reconcile(key)
    kept, told = conditions_written(desk)
    assert kept == OTHER
    assert (told["type"], told["status"], told["reason"]) == ("InternalError", "True", "KeyError")
    assert "reconcile_id=abc123" in str(told["message"])
    ((_, note),) = desk.told.notes
    assert note.type == "Warning"
    assert note.message == told["message"]


async def test_a_bug_that_stays_is_told_once() -> None:
    desk = a_desk()
    key = put(desk, {}, "1")
    guarded = guard(desk, KeyError("a"))
    with pytest.raises(KeyError):
        await guarded.reconcile(key)
    put(desk, {"conditions": list(conditions_written(desk))}, "2")
    guarded.reconciler.errors.append(KeyError("another id"))  # type: ignore[attr-defined] # Broken
    with pytest.raises(KeyError):
        await guarded.reconcile(key)
    assert len(desk.kube.patches) == 1
    assert len(desk.told.notes) == 1


async def test_the_first_pass_that_succeeds_takes_it_back_and_leaves_the_rest() -> None:
    desk = a_desk()
    bug: JsonObject = {**OTHER, "type": "InternalError"}
    key = put(desk, {"conditions": [bug, OTHER]}, "1")
    assert await guard(desk).reconcile(key) == Result()
    assert conditions_written(desk) == (OTHER,)


async def test_what_the_api_server_refuses_is_no_bug() -> None:
    desk = a_desk()
    key = put(desk, {}, "1")
    with pytest.raises(Forbidden):
        await guard(desk, Forbidden("no")).reconcile(key)
    assert not desk.kube.patches
    assert not desk.told.notes
