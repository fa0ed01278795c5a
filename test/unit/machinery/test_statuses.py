from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ray_operator.operator.documents import JsonObject
from ray_operator.operator.errors import Conflict
from ray_operator.operator.keys import Key
from ray_operator.operator.resources import PODS
from ray_operator.operator.statuses import StatusWriter, status_changes
from support.api_server import ApiServer, refusal, reply
from support.fake_clock import FakeClock

KEY = Key("ns", "a")
PATH = "/api/v1/namespaces/ns/pods/a/status"


@dataclass(frozen=True)
class View:
    key: Key = KEY
    uid: str = "uid"
    resource_version: str = "10"


@dataclass(frozen=True)
class Case:
    current: JsonObject
    desired: JsonObject
    want: JsonObject


CASES = {
    "nothing changed": Case({"state": "ready"}, {"state": "ready"}, {}),
    "one field changed": Case(
        {"state": "ready", "n": 1}, {"state": "failed", "n": 1}, {"state": "failed"}
    ),
    "only the time of the update changed": Case(
        {"n": 1, "lastUpdateTime": "then"}, {"n": 1, "lastUpdateTime": "now"}, {}
    ),
    "the time of the update goes along with a change": Case(
        {"n": 1, "lastUpdateTime": "then"},
        {"n": 2, "lastUpdateTime": "now"},
        {"n": 2, "lastUpdateTime": "now"},
    ),
    "a field that is not ours is left alone": Case({"theirs": 1, "n": 1}, {"n": 2}, {"n": 2}),
    "a field set to nothing is removed": Case({"n": 1, "x": 1}, {"n": 1, "x": None}, {"x": None}),
    "a field that is not there needs no removal": Case({"n": 1}, {"n": 1, "x": None}, {}),
    "below the top, what is not wanted is removed": Case(
        {"apps": {"a": {"s": 1}, "b": {"s": 1}}},
        {"apps": {"a": {"s": 1}}},
        {"apps": {"b": None}},
    ),
    "lists are compared whole": Case(
        {"conditions": [{"type": "A"}]},
        {"conditions": ({"type": "A"}, {"type": "B"})},
        {"conditions": ({"type": "A"}, {"type": "B"})},
    ),
    "a tuple equals a list": Case({"l": [1, {"a": [2]}]}, {"l": (1, {"a": (2,)})}, {}),
    "a first status is written": Case({}, {"state": "", "n": 0}, {"state": "", "n": 0}),
    "true is not one": Case({"x": 1}, {"x": True}, {"x": True}),
}


@pytest.mark.parametrize("case", [pytest.param(c, id=s) for s, c in CASES.items()])
def test_changes(case: Case) -> None:
    assert status_changes(case.current, case.desired) == case.want


@pytest.fixture
async def statuses(server: ApiServer, clock: FakeClock) -> AsyncIterator[StatusWriter]:
    server.on("PATCH", PATH, reply({"metadata": {"resourceVersion": "12"}}))
    async with server.connected(clock) as kube:
        yield StatusWriter(kube, clock)


async def test_nothing_changed_means_nothing_written(
    server: ApiServer, statuses: StatusWriter
) -> None:
    assert not await statuses.write(PODS, View(), {"n": 1}, {"n": 1})
    assert server.requests == []


async def test_a_change_is_written_without_a_version(
    server: ApiServer, statuses: StatusWriter
) -> None:
    assert await statuses.write(PODS, View(), {"n": 1}, {"n": 2})
    assert server.requests[0].body == {"status": {"n": 2}}


async def test_a_transition_is_bound_to_what_it_was_decided_upon(
    server: ApiServer, statuses: StatusWriter
) -> None:
    server.on("PATCH", PATH, refusal(409, "Conflict"))

    with pytest.raises(Conflict):
        await statuses.write(PODS, View(), {"n": 1}, {"n": 2}, transition=True)

    assert server.requests[0].body == {"status": {"n": 2}, "metadata": {"resourceVersion": "10"}}


async def test_a_key_waits_until_the_cache_shows_the_last_write(
    statuses: StatusWriter,
) -> None:
    assert statuses.caught_up(View())
    await statuses.write(PODS, View(), {}, {"n": 1})

    assert not statuses.caught_up(View(resource_version="10"))
    assert not statuses.caught_up(View(resource_version="11"))
    assert statuses.caught_up(View(resource_version="12"))
    assert statuses.caught_up(View(resource_version="10"))


async def test_another_life_does_not_wait(statuses: StatusWriter) -> None:
    await statuses.write(PODS, View(), {}, {"n": 1})

    assert statuses.caught_up(View(uid="another"))


async def test_waiting_ends(statuses: StatusWriter, clock: FakeClock) -> None:
    await statuses.write(PODS, View(), {}, {"n": 1})
    clock.advance(timedelta(seconds=30))

    assert statuses.caught_up(View())
