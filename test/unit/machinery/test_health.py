import asyncio
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ray_operator.operator.health import STALE, Health
from ray_operator.operator.resources import PODS, Resource
from ray_operator.operator.supervisor import HOPELESS, Supervisor
from support.fake_clock import FakeClock, settle


@dataclass
class Cache:
    resource: Resource = PODS
    is_settled: bool = True
    silence: timedelta = timedelta()
    age: timedelta = timedelta()


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def supervisor(clock: FakeClock) -> Supervisor:
    return Supervisor(clock)


@pytest.fixture
def health(clock: FakeClock, supervisor: Supervisor, cache: Cache) -> Health:
    health = Health(clock, supervisor, lambda: [cache])
    health.is_working = True
    return health


def test_a_sound_process_has_nothing_to_say(health: Health) -> None:
    assert health.ailments() == health.obstacles() == ()


async def test_a_loop_that_stands_still_is_an_ailment(health: Health, clock: FakeClock) -> None:
    clock.advance(timedelta(seconds=31))

    assert health.ailments() == ("the event loop has not turned for 31 s",)


async def test_a_loop_that_turns_is_none(health: Health, clock: FakeClock) -> None:
    beat = asyncio.create_task(health.beat())
    for _ in range(40):
        await clock.pass_by(timedelta(seconds=1))

    assert health.ailments() == ()
    beat.cancel()


def test_a_silent_watch_is_an_ailment(health: Health, cache: Cache) -> None:
    cache.age = cache.silence = STALE + timedelta(seconds=1)

    assert health.ailments() == ("the watch of pods is silent for 161 s",)


def test_a_cache_that_is_not_filled_keeps_from_being_ready_but_alive(
    health: Health, cache: Cache
) -> None:
    cache.is_settled = False

    assert health.ailments() == ()
    assert health.obstacles() == ("the cache of pods is not filled yet",)


def test_a_permission_that_was_withdrawn_keeps_from_being_ready_but_alive(
    health: Health, cache: Cache
) -> None:
    """Starting anew would not bring it back."""
    cache.age = timedelta(days=1)

    assert health.ailments() == ()
    assert health.obstacles() == ("the cache of pods may no longer be updated",)


def test_a_follower_is_ready_without_caches(health: Health, cache: Cache) -> None:
    health.is_working = False
    cache.is_settled = False

    assert health.obstacles() == ()


async def test_a_task_that_dies_is_restarted(supervisor: Supervisor, clock: FakeClock) -> None:
    runs = 0

    async def die() -> None:
        nonlocal runs
        runs += 1
        raise ValueError("oops")

    supervisor.start("mortal", die)
    await settle()
    assert runs == 1
    await clock.pass_by(timedelta(seconds=1))
    assert runs == 2
    await supervisor.stop()


async def test_a_task_that_dies_again_and_again_is_an_ailment(
    health: Health, supervisor: Supervisor, clock: FakeClock
) -> None:
    async def die() -> None:
        raise ValueError("oops")

    supervisor.start("mortal", die)
    for _ in range(HOPELESS):
        await settle()
        clock.skip()
    await settle()

    assert "task mortal fails again and again" in health.ailments()
    await supervisor.stop()


async def test_a_task_that_has_run_for_a_while_is_forgiven(
    supervisor: Supervisor, clock: FakeClock
) -> None:
    async def die_late() -> None:
        await clock.sleep(timedelta(minutes=2))
        raise ValueError("oops")

    supervisor.start("mortal", die_late)
    for _ in range(3 * HOPELESS):
        await settle()
        clock.skip()

    assert supervisor.hopeless == ()
    await supervisor.stop()


async def test_a_task_that_recovered_is_no_ailment_any_more(
    supervisor: Supervisor, clock: FakeClock
) -> None:
    runs = 0

    async def die_five_times() -> None:
        nonlocal runs
        runs += 1
        if runs <= HOPELESS:
            raise ValueError("oops")
        await asyncio.Event().wait()

    supervisor.start("mortal", die_five_times)
    for _ in range(HOPELESS):
        await settle()
        clock.skip()
    await settle()
    assert "mortal" in supervisor.hopeless

    await clock.pass_by(timedelta(seconds=61))

    assert "mortal" not in supervisor.hopeless
    await supervisor.stop()


async def test_a_task_whose_work_was_cancelled_by_others_is_restarted_too(
    supervisor: Supervisor, clock: FakeClock
) -> None:
    runs = 0

    async def wait_for_something_cancelled() -> None:
        nonlocal runs
        runs += 1
        never = asyncio.get_running_loop().create_future()
        never.cancel()
        await never

    supervisor.start("mortal", wait_for_something_cancelled)
    await settle()
    await clock.pass_by(timedelta(seconds=1))

    assert runs == 2
    assert supervisor.dead == ()
    await supervisor.stop()


async def test_a_supervised_task_that_is_gone_is_an_ailment(
    health: Health, supervisor: Supervisor
) -> None:
    """Nothing of ours does that; whatever did, only a fresh process has the task again."""

    async def rest() -> None:
        await asyncio.Event().wait()

    supervisor.start("mortal", rest)
    await settle()
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "mortal")
    task.cancel()
    await settle()

    assert health.ailments() == ("task mortal is dead",)
    await supervisor.stop()


async def test_two_tasks_of_one_name_are_a_mistake(supervisor: Supervisor) -> None:
    async def rest() -> None:
        await asyncio.Event().wait()

    supervisor.start("one", rest)

    with pytest.raises(ValueError, match="runs already"):
        supervisor.start("one", rest)
    await supervisor.stop()
