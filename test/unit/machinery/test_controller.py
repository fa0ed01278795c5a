import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

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
        self.script: list[Exception | Result] = []
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
            if isinstance(ended, Exception):
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
            "that means a newer object": Conflict("changed"),
            "that means a lost lead": Fenced("no"),
            "that means the end of the namespace": NamespaceEnding("no"),
        }.items()
    ],
)
async def test_a_failure_is_retried_with_back_off_and_harms_no_other_key(
    clock: FakeClock, error: Exception
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


async def test_a_reconcile_that_hangs_is_cut_off_and_retried(clock: FakeClock) -> None:
    async with working(clock, deadline=timedelta(seconds=0.01)) as world:
        world.reconciler.gate.clear()
        world.queue.add(A)
        await asyncio.sleep(0.05)

        assert world.queue.statistics().processing == 0
        assert world.queue.statistics().failing == 1


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
