import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from graphlib import CycleError
from typing import Never

import pytest
from aiohttp import web

from ray_operator.operator.documents import JsonObject, JsonValue, get_object, get_objects, get_text
from ray_operator.operator.errors import AlreadyExists, NotFound, RayOperatorError, ServerError
from ray_operator.operator.executor import MOST_A_NAMESPACE, PLACES, Executor
from ray_operator.operator.expectations import Expectations, Sight
from ray_operator.operator.keys import Key, ObjectRef
from ray_operator.operator.notes import Note
from ray_operator.operator.resources import PODS, SERVICES
from ray_operator.operator.steps import Outcome, Step
from ray_operator.operator.writes import (
    Create,
    Delete,
    JsonPatch,
    MergePatch,
    Write,
)
from support.api_server import ApiServer, hung_up, refusal, reply
from support.fake_clock import FakeClock

OWNER = ObjectRef("ray.io/v1", "RayCluster", "ns", "cluster", "owner-uid")
PODS_PATH = "/api/v1/namespaces/ns/pods"
SERVICES_PATH = "/api/v1/namespaces/ns/services"
NOTHING_SEEN = Sight(names=(), living=("uid",))


@dataclass
class World:
    server: ApiServer
    executor: Executor
    expectations: Expectations

    async def run(self, *steps: Step) -> Outcome:
        return await self.executor.run(OWNER, steps)

    def is_settled(self, lane: str = "lane") -> bool:
        return self.expectations.settled(OWNER.key, lane, NOTHING_SEEN)


@pytest.fixture
async def world(server: ApiServer, clock: FakeClock) -> AsyncIterator[World]:
    server.on("POST", PODS_PATH, reply({}))
    async with server.connected(clock) as kube:
        expectations = Expectations(clock)
        yield World(server, Executor(kube, expectations), expectations)


def a_pod(name: str = "p") -> JsonObject:
    return {"metadata": {"namespace": "ns", "name": name}}


def a_step(
    write: Write | None = None, *, lane: str = "lane", needs: tuple[str, ...] = (), text: str = ""
) -> Step:
    return Step(
        text=text or lane,
        write=write or Create(PODS, a_pod()),
        lane=lane,
        needs=frozenset(needs),
    )


def texts(steps: tuple[Step, ...]) -> list[str]:
    return [step.text for step in steps]


async def test_a_child_gets_its_kind_and_its_owner(world: World) -> None:
    await world.run(a_step())

    body = world.server.requests[0].body
    assert isinstance(body, dict)
    assert (body["apiVersion"], body["kind"]) == ("v1", "Pod")
    assert get_objects(get_object(body, "metadata"), "ownerReferences") == (
        OWNER.owner_reference(),
    )


async def test_a_child_that_shall_outlive_its_owner_gets_none(world: World) -> None:
    await world.run(a_step(Create(PODS, a_pod(), owned=False)))

    body = world.server.requests[0].body
    assert isinstance(body, dict)
    assert "ownerReferences" not in get_object(body, "metadata")


async def test_a_lane_grows_by_doubling_and_stops_at_its_first_failed_batch(world: World) -> None:
    world.server.on("POST", PODS_PATH, *[reply({})] * 3, refusal(403, "Forbidden", "quota"))
    steps = [a_step(Create(PODS, a_pod(str(n))), text=str(n)) for n in range(20)]

    outcome = await world.run(*steps)

    assert texts(outcome.done) == ["0", "1", "2"]
    assert len(outcome.failed) == 4
    assert len(outcome.skipped) == 13
    assert world.server.count("POST") == 7


async def test_a_batch_goes_out_at_once(world: World) -> None:
    most = now = 0

    async def count(_request: web.Request) -> web.StreamResponse:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return web.json_response({})

    world.server.on("POST", PODS_PATH, count)
    await world.run(*[a_step(Create(PODS, a_pod(str(n)))) for n in range(1 + 2 + 4 + 8)])

    assert most == 8


async def test_lanes_do_not_wait_for_each_other(world: World) -> None:
    world.server.on("POST", PODS_PATH, refusal(403, "Forbidden"), reply({}))

    outcome = await world.run(a_step(lane="a"), a_step(lane="b"))

    assert len(outcome.failed) == len(outcome.done) == 1


async def test_a_lane_waits_for_those_it_needs(world: World) -> None:
    world.server.on("POST", SERVICES_PATH, reply({}))
    service = Create(SERVICES, a_pod("s"))

    outcome = await world.run(
        a_step(lane="pods", needs=("services", "nothing to do there")),
        a_step(service, lane="services"),
    )

    assert [r.path for r in world.server.requests] == [SERVICES_PATH, PODS_PATH]
    assert len(outcome.done) == 2


async def test_a_lane_is_skipped_if_one_that_it_needs_failed(world: World) -> None:
    world.server.on("POST", SERVICES_PATH, refusal(403, "Forbidden"))
    service = Create(SERVICES, a_pod("s"))

    outcome = await world.run(
        a_step(lane="pods", needs=("accounts",)),
        a_step(lane="accounts", needs=("services",)),
        a_step(service, lane="services"),
    )

    assert sorted(texts(outcome.skipped)) == ["accounts", "pods"]
    assert texts(tuple(f.step for f in outcome.failed)) == ["services"]


async def test_lanes_that_need_each_other_are_refused(world: World) -> None:
    with pytest.raises(CycleError):
        await world.run(a_step(lane="a", needs=("b",)), a_step(lane="b", needs=("a",)))


@dataclass(frozen=True)
class Taken:
    by: JsonObject
    want: bool


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=sentence)
        for sentence, case in {
            "by our own earlier attempt": Taken(
                {"ownerReferences": [{"uid": "owner-uid"}]}, want=True
            ),
            "by somebody else": Taken({"ownerReferences": [{"uid": "other"}]}, want=False),
            "by an object that is about to go": Taken(
                {"ownerReferences": [{"uid": "owner-uid"}], "deletionTimestamp": "now"}, want=False
            ),
        }.items()
    ],
)
async def test_a_name_that_is_taken(world: World, case: Taken) -> None:
    world.server.on("POST", PODS_PATH, refusal(409, "AlreadyExists"))
    world.server.on("GET", f"{PODS_PATH}/p", reply({"metadata": case.by}))

    outcome = await world.run(a_step())

    assert bool(outcome.done) is case.want
    if outcome.failed:
        assert isinstance(outcome.failed[0].error, AlreadyExists)


@dataclass(frozen=True)
class Deleted:
    uid: str | None
    status: int
    want: bool


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=sentence)
        for sentence, case in {
            "what is there is deleted": Deleted("uid", 200, want=True),
            "what is gone already counts as deleted": Deleted("uid", 404, want=True),
            "another life of the name counts as deleted": Deleted("uid", 409, want=True),
            "a conflict without a UID is a failure": Deleted(None, 409, want=False),
            "a missing permission is a failure": Deleted("uid", 403, want=False),
        }.items()
    ],
)
async def test_deletions(world: World, case: Deleted) -> None:
    answer = reply({}) if case.status == 200 else refusal(case.status)
    world.server.on("DELETE", f"{PODS_PATH}/p", answer)

    outcome = await world.run(a_step(Delete(PODS, Key("ns", "p"), uid=case.uid)))

    assert bool(outcome.done) is case.want


async def test_a_creation_is_expected_until_it_is_seen(world: World) -> None:
    await world.run(a_step())

    assert not world.is_settled()
    assert world.expectations.settled(OWNER.key, "lane", Sight(["p"], []))


async def test_a_creation_that_was_refused_is_not_expected(world: World) -> None:
    world.server.on("POST", PODS_PATH, refusal(403, "Forbidden"))

    await world.run(a_step())

    assert world.is_settled()


@pytest.mark.parametrize("answer", [hung_up(), refusal(500), refusal(504)])
async def test_a_creation_whose_outcome_is_unknown_stays_expected(
    world: World, answer: object
) -> None:
    assert callable(answer)
    world.server.on("POST", PODS_PATH, answer)

    outcome = await world.run(a_step())

    assert outcome.failed
    assert not world.is_settled()


async def test_a_deletion_is_expected_by_its_uid(world: World) -> None:
    world.server.on("DELETE", f"{PODS_PATH}/p", reply({}))

    await world.run(a_step(Delete(PODS, Key("ns", "p"), uid="uid")))

    assert not world.is_settled()


async def test_children_that_are_no_pods_are_not_expected(world: World) -> None:
    world.server.on("POST", SERVICES_PATH, reply({}))

    await world.run(a_step(Create(SERVICES, a_pod())))

    assert world.expectations.statistics().owners == 0


async def test_patches_by_merge_and_by_operations(world: World) -> None:
    world.server.on("PATCH", f"{PODS_PATH}/p", reply({}))
    key = Key("ns", "p")

    outcome = await world.run(
        a_step(MergePatch(PODS, key, {"metadata": {"labels": {"a": "b"}}}, resource_version="7")),
        a_step(JsonPatch(PODS, key, ({"op": "test", "path": "/x", "value": 1},))),
    )

    assert len(outcome.done) == 2
    merge, operations = world.server.requests
    assert merge.body == {"metadata": {"labels": {"a": "b"}, "resourceVersion": "7"}}
    assert operations.headers["Content-Type"] == "application/json-patch+json"


async def test_a_patch_of_what_is_gone_is_a_failure(world: World) -> None:
    outcome = await world.run(a_step(MergePatch(PODS, Key("ns", "p"), {"a": 1})))

    assert isinstance(outcome.failed[0].error, NotFound)


async def test_warnings_are_reported_with_their_step(world: World) -> None:
    world.server.on("POST", PODS_PATH, reply({}, Warning='299 - "unknown field"'))

    outcome = await world.run(a_step())

    assert outcome.warned[0].texts == ("unknown field",)


async def test_events_are_one_a_reason_and_list_what_they_are_about(world: World) -> None:
    def noted(name: str) -> Step:
        return Step(
            text=name,
            write=Create(PODS, a_pod(name)),
            lane=name,
            done=Note("Normal", "CreatedWorkerPod", "Create", f"Created {name}"),
            failed=Note("Warning", "FailedToCreateWorkerPod", "Create", f"Could not create {name}"),
        )

    async def refuse_c(request: web.Request) -> web.StreamResponse:
        body: JsonObject = await request.json()
        name = get_text(get_object(body, "metadata"), "name")
        return await (refusal(403, message="quota") if name == "c" else reply({}))(request)

    world.server.on("POST", PODS_PATH, refuse_c)

    outcome = await world.run(*map(noted, "abc"))

    assert outcome.notes() == (
        Note("Normal", "CreatedWorkerPod", "Create", "Created a; Created b"),
        Note(
            "Warning",
            "FailedToCreateWorkerPod",
            "Create",
            "Could not create c: create pods: quota",
        ),
    )


async def test_a_single_failure_is_raised_as_it_is_and_several_as_a_group(world: World) -> None:
    world.server.on("POST", PODS_PATH, refusal(500))
    (await world.run()).raise_failure()

    with pytest.raises(ServerError):
        (await world.run(a_step())).raise_failure()
    with pytest.raises(ExceptionGroup):
        (await world.run(a_step(lane="a"), a_step(lane="b"))).raise_failure()


class Faulty(Sequence[JsonValue]):
    """What no encoder takes: a bug of whoever planned it."""

    def __len__(self) -> int:
        raise ZeroDivisionError

    def __getitem__(self, _at: object) -> Never:
        raise ZeroDivisionError


async def test_a_bug_in_one_step_keeps_the_outcome_of_the_others(world: World) -> None:
    """It is that step's failure, in its own lane and beside it; nobody is cancelled."""
    slow_ones = asyncio.Event()

    async def wait_for_the_bug(request: web.Request) -> web.StreamResponse:
        await slow_ones.wait()
        return await reply({})(request)

    world.server.on("POST", PODS_PATH, wait_for_the_bug)
    good = a_step(Create(PODS, a_pod("good")), lane="a", text="good")
    bad = a_step(Create(PODS, {**a_pod("bad"), "spec": Faulty()}), lane="b", text="bad")
    after = a_step(Create(PODS, a_pod("after")), lane="c", needs=("b",), text="after")
    beside = a_step(Create(PODS, a_pod("beside")), lane="d", text="beside")

    running = asyncio.create_task(world.run(good, bad, after, beside))
    await world.server.wait_for("POST", PODS_PATH, 2)
    slow_ones.set()
    outcome = await running

    assert sorted(texts(outcome.done)) == ["beside", "good"]
    assert texts(outcome.skipped) == ["after"]
    assert [failure.step.text for failure in outcome.failed] == ["bad"]
    assert not isinstance(outcome.failed[0].error, RayOperatorError)
    assert not world.is_settled("b"), "whether it took effect is unknown"


async def test_a_write_whose_connection_is_cancelled_fails_alone(
    server: ApiServer, clock: FakeClock
) -> None:
    server.on("POST", PODS_PATH, reply({}))
    asked = 0

    def cancelled_at_first() -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise asyncio.CancelledError
        return True

    async with server.connected(clock) as kube:
        kube.fence.ask(cancelled_at_first)
        executor = Executor(kube, Expectations(clock))
        outcome = await executor.run(OWNER, [a_step(lane="a", text="a"), a_step(lane="b")])

    assert [failure.step.text for failure in outcome.failed] == ["a"]
    assert len(outcome.done) == 1


async def test_a_pass_that_is_cut_off_leaves_what_was_under_way_expected(world: World) -> None:
    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    world.server.on("POST", PODS_PATH, hang)
    running = asyncio.create_task(world.run(a_step()))
    await world.server.wait_for("POST", PODS_PATH, 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert not world.is_settled()
    world.server.on("POST", PODS_PATH, reply({}))
    assert (await world.run(a_step(lane="another"))).done, "its place is free again"


# -- fairness among owners


SMALL = ObjectRef("ray.io/v1", "RayCluster", "ns", "small", "small-uid")
BIG_ELSEWHERE = ObjectRef("ray.io/v1", "RayCluster", "elsewhere", "big", "big-uid")


def a_flood(namespace: str) -> list[Step]:
    return [
        Step(
            text="flood",
            write=Create(PODS, {"metadata": {"namespace": namespace, "name": f"{lane}-{n}"}}),
            lane=f"group {lane}",
        )
        for lane in range(10)
        for n in range(64)
    ]


async def test_a_small_owner_does_not_wait_for_a_large_ones_hundreds_of_writes(
    world: World,
) -> None:
    """Each of its writes waits for the few that are under way, not for all that are planned."""
    arrived: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        body: JsonObject = await request.json()
        arrived.append(get_text(get_object(body, "metadata"), "name"))
        await asyncio.sleep(0.001)
        return web.json_response({})

    world.server.on("POST", PODS_PATH, note)
    flood = asyncio.create_task(world.executor.run(OWNER, a_flood("ns")))
    await world.server.wait_for("POST", PODS_PATH, 10 * (1 + 2 + 4 + 8 + 16) + 5)
    began = len(arrived)

    await world.executor.run(SMALL, [a_step(Create(PODS, a_pod("small")))])

    assert arrived.index("small") - began <= 2 * PLACES
    assert not flood.done()
    assert len((await flood).done) == 640


async def test_a_small_owner_does_not_wait_for_a_large_ones_share_of_the_rate_limit(
    server: ApiServer, clock: FakeClock
) -> None:
    """The limit is first come, first served; so no more than a few may stand in line there."""
    arrived: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        body: JsonObject = await request.json()
        arrived.append(get_text(get_object(body, "metadata"), "name"))
        return web.json_response({})

    server.on("POST", PODS_PATH, note)
    async with server.connected(clock, qps=100, burst=1) as kube:
        executor = Executor(kube, Expectations(clock))
        flood = asyncio.create_task(executor.run(OWNER, a_flood("ns")))
        while len(arrived) < 10 * (1 + 2 + 4 + 8 + 16) + 5:
            await asyncio.sleep(0.001)
            clock.advance(timedelta(seconds=0.01))
        began = len(arrived)
        small = asyncio.create_task(executor.run(SMALL, [a_step(Create(PODS, a_pod("small")))]))
        while not small.done():
            await asyncio.sleep(0.001)
            clock.advance(timedelta(seconds=0.01))

        assert arrived.index("small") - began <= 2 * PLACES
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)


async def test_requests_that_hang_in_one_namespace_hold_up_no_other(world: World) -> None:
    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    path = "/api/v1/namespaces/elsewhere/pods"
    first_of_each_lane = [reply({})] * 70
    world.server.on("POST", path, *first_of_each_lane, hang)
    flood = asyncio.create_task(world.executor.run(BIG_ELSEWHERE, a_flood("elsewhere")))
    await world.server.wait_for("POST", path, 70 + MOST_A_NAMESPACE)

    outcome = await world.executor.run(SMALL, [a_step(Create(PODS, a_pod("small")))])

    assert outcome.done
    assert world.server.count("POST", path) == 70 + MOST_A_NAMESPACE
    flood.cancel()
    await asyncio.gather(flood, return_exceptions=True)
