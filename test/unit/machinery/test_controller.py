import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ray_operator.operator import metrics
from ray_operator.operator.controller import Controller, Result
from ray_operator.operator.errors import (
    Conflict,
    Fenced,
    InvalidSpecError,
    NamespaceEnding,
    ServerError,
)
from ray_operator.operator.keys import Key
from ray_operator.operator.workqueue import WorkQueue
from support.fake_clock import FakeClock, settle

A, B = Key("ns", "a"), Key("ns", "b")


class Scripted:
    """A reconciler whose turns are scripted; without a script it succeeds."""

    def __init__(self) -> None:
        self.turns: list[Key] = []
        self.script: list[BaseException | Result] = []
        self.at_once = 0
        self.most_at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def reconcile(self, key: Key) -> Result:
        self.turns.append(key)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
            ended = self.script.pop(0) if self.script else Result()
            if isinstance(ended, BaseException):
                raise ended
            return ended
        finally:
            self.at_once -= 1


@dataclass
class World:
    clock: FakeClock
    queue: WorkQueue
    reconciler: Scripted


@asynccontextmanager
async def working(
    clock: FakeClock, workers: int = 2, deadline: timedelta = timedelta(minutes=1)
) -> AsyncIterator[World]:
    world = World(clock, WorkQueue("test", clock), Scripted())
    controller = Controller(
        "test", world.reconciler, world.queue, workers=workers, clock=clock, deadline=deadline
    )
    task = asyncio.create_task(controller.run())
    yield world
    world.reconciler.gate.set()
    world.queue.shut_down()
    await asyncio.wait_for(task, 5)


async def test_a_success_waits_for_the_next_change(clock: FakeClock) -> None:
    async with working(clock) as world:
        world.queue.add(A)
        await clock.pass_by(timedelta(hours=1))

        assert world.reconciler.turns == [A]


async def test_a_key_is_looked_at_again_when_the_reconciler_says_so(clock: FakeClock) -> None:
    async with working(clock) as world:
        world.reconciler.script = [Result(timedelta(seconds=30))]
        world.queue.add(A)
        await clock.pass_by(timedelta(seconds=29))
        assert world.reconciler.turns == [A]

        await clock.pass_by(timedelta(seconds=1))
        assert world.reconciler.turns == [A, A]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(error, id=sentence)
        for sentence, error in {
            "of the API server": ServerError("no"),
            "of several writes": ExceptionGroup("two", [ServerError("no"), Conflict("changed")]),
            "that is a bug": ZeroDivisionError("oops"),
            "that is endless recursion": RecursionError("oops"),
            "that is want of memory": MemoryError(),
            "that is the cancellation of what it waited for": asyncio.CancelledError(),
            "that is a time-out of its own": TimeoutError(),
            "that means a newer object": Conflict("changed"),
            "that means a lost lead": Fenced("no"),
            "that means the end of the namespace": NamespaceEnding("no"),
        }.items()
    ],
)
async def test_a_failure_is_retried_with_back_off_and_harms_no_other_key(
    clock: FakeClock, error: BaseException
) -> None:
    async with working(clock) as world:
        world.reconciler.script = [error]
        world.queue.add(A)
        world.queue.add(B)
        await settle()
        assert world.reconciler.turns == [A, B]

        await clock.pass_by(timedelta(milliseconds=5))
        assert world.reconciler.turns == [A, B, A]


async def test_an_object_that_is_wrong_waits_for_an_edit(clock: FakeClock) -> None:
    async with working(clock) as world:
        world.reconciler.script = [InvalidSpecError("spec.x", "expected a number")]
        world.queue.add(A)
        await clock.pass_by(timedelta(hours=1))

        assert world.reconciler.turns == [A]


async def test_the_back_off_starts_anew_after_a_success(clock: FakeClock) -> None:
    async with working(clock) as world:
        world.reconciler.script = [ServerError("no"), ServerError("no"), Result()]
        world.queue.add(A)
        await clock.pass_by(timedelta(milliseconds=5))
        await clock.pass_by(timedelta(milliseconds=10))

        assert world.queue.statistics().failing == 0


async def test_no_more_keys_are_in_work_than_there_are_workers(clock: FakeClock) -> None:
    async with working(clock, workers=3) as world:
        world.reconciler.gate.clear()
        for number in range(10):
            world.queue.add(Key("ns", str(number)))
        await settle()

        assert world.reconciler.most_at_once == 3


async def test_a_reconcile_that_hangs_is_cut_off_counted_and_retried(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    before = failures()
    async with working(clock, deadline=timedelta(seconds=0.01)) as world:
        world.reconciler.gate.clear()
        world.queue.add(A)
        async with asyncio.timeout(60):
            while not world.queue.statistics().failing:  # noqa: ASYNC110 - a real time-out
                await asyncio.sleep(0.001)

        assert world.queue.statistics().processing == 0
        assert failures() == before + 1
        fields = caplog.records[-1].__dict__["fields"]
        assert fields["error"] == "cut off after 0.01 s: it hangs"

        world.reconciler.gate.set()
        await clock.pass_by(timedelta(milliseconds=5))
        assert world.reconciler.turns == [A, A]
        assert world.queue.statistics().failing == 0


def failures() -> float:
    value = metrics.REGISTRY.get_sample_value(
        "ray_operator_reconcile_total", {"controller": "test", "result": "timeout"}
    )
    return value or 0.0


async def test_all_workers_outlive_any_number_of_crashes(clock: FakeClock) -> None:
    async with working(clock, workers=3) as world:
        world.reconciler.script = [asyncio.CancelledError() for _ in range(30)]
        for number in range(30):
            world.queue.add(Key("ns", str(number)))
        await settle(200)
        world.reconciler.gate.clear()
        world.reconciler.most_at_once = 0
        for number in range(10):
            world.queue.add(Key("ns", f"again {number}"))
        await settle()

        assert world.reconciler.most_at_once == 3


async def test_a_key_is_never_in_work_twice_and_its_changes_are_never_lost(
    clock: FakeClock,
) -> None:
    """Sixteen workers, three keys, changes at any moment: each is seen by a later turn."""
    changes: Counter[Key] = Counter()
    seen: Counter[Key] = Counter()
    at_work: set[Key] = set()

    class Reader:
        async def reconcile(self, key: Key) -> Result:
            assert key not in at_work
            at_work.add(key)
            found = changes[key]
            await settle(found % 7)
            seen[key] = found
            at_work.remove(key)
            if found % 5 == 0:
                raise ServerError("no")
            return Result()

    queue = WorkQueue("test", clock)
    controller = Controller("test", Reader(), queue, workers=16, clock=clock)
    task = asyncio.create_task(controller.run())
    for number in range(300):
        key = Key("ns", "abc"[number % 3])
        changes[key] += 1
        queue.add(key)
        await settle(number % 4)
    await clock.pass_by(timedelta(minutes=1))
    queue.shut_down()
    await asyncio.wait_for(task, 60)

    assert seen == changes


async def test_what_a_turn_asks_for_replaces_what_earlier_ones_asked_for(clock: FakeClock) -> None:
    async with working(clock) as world:
        world.reconciler.script = [Result(timedelta(seconds=10)), Result(timedelta(seconds=60))]
        world.queue.add(A)
        await clock.pass_by(timedelta(seconds=1))
        world.queue.add(A)
        await clock.pass_by(timedelta(seconds=50))
        assert world.reconciler.turns == [A, A]

        await clock.pass_by(timedelta(seconds=10))
        assert world.reconciler.turns == [A, A, A]


async def test_a_resync_comes_when_nothing_else_does(clock: FakeClock) -> None:
    async with working(clock) as world:
        resync = timedelta(seconds=300)
        world.reconciler.script = [Result(timedelta(seconds=1), resync), Result(resync=resync)]
        world.queue.add(A)
        await clock.pass_by(timedelta(seconds=1))
        await clock.pass_by(timedelta(seconds=299))
        assert world.reconciler.turns == [A, A]

        await clock.pass_by(timedelta(seconds=1))
        assert world.reconciler.turns == [A, A, A]


async def test_an_object_that_is_wrong_is_looked_at_when_it_changes(clock: FakeClock) -> None:
    async with working(clock) as world:
        world.reconciler.script = [
            ServerError("no"),
            InvalidSpecError("spec.x", "expected a number"),
        ]
        world.queue.add(A)
        await clock.pass_by(timedelta(seconds=1))
        await clock.pass_by(timedelta(hours=1))
        assert world.reconciler.turns == [A, A]
        assert world.queue.statistics().failing == 0

        world.queue.add(A)
        await settle()
        assert world.reconciler.turns == [A, A, A]


class Broken(WorkQueue):
    """A queue with a bug."""

    async def run_delays(self) -> None:
        raise ZeroDivisionError

    def done(self, key: Key) -> None:
        raise ZeroDivisionError(key)


async def test_a_bug_in_the_library_itself_ends_the_controller_loudly(clock: FakeClock) -> None:
    controller = Controller("test", Scripted(), Broken("test", clock), workers=2, clock=clock)

    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(controller.run(), 60)

    assert caught.group_contains(ZeroDivisionError)


async def test_a_stop_finishes_the_keys_in_work_and_begins_no_other(clock: FakeClock) -> None:
    world = World(clock, WorkQueue("test", clock), Scripted())
    controller = Controller("test", world.reconciler, world.queue, workers=1, clock=clock)
    task = asyncio.create_task(controller.run())
    world.reconciler.gate.clear()
    world.queue.add(A)
    world.queue.add(B)
    await settle()

    world.queue.shut_down()
    await settle()
    assert not task.done()

    world.reconciler.gate.set()
    await asyncio.wait_for(task, 5)
    assert world.reconciler.turns == [A]
