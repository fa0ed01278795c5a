"""The promises of workqueue.py, in their order."""

import asyncio
from datetime import timedelta

import pytest

from ray_operator.operator.keys import Key
from ray_operator.operator.workqueue import ROUTINE_HANDICAP, QueueShutDown, WorkQueue
from support.fake_clock import FakeClock, settle

A, B, C = (Key("ns", name) for name in "abc")
SECOND = timedelta(seconds=1)


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue:
    return WorkQueue("test", clock)


async def drain(queue: WorkQueue) -> list[Key]:
    """Take all that waits, giving each back."""
    taken = []
    while queue.statistics().waiting:
        key = await queue.get()
        queue.done(key)
        taken.append(key)
    return taken


async def test_a_key_that_was_added_many_times_comes_out_once(queue: WorkQueue) -> None:
    for _ in range(3):
        queue.add(A)

    assert await drain(queue) == [A]


async def test_a_key_in_work_is_not_handed_out_again(queue: WorkQueue) -> None:
    queue.add(A)
    key = await queue.get()
    queue.add(A)

    assert queue.statistics().waiting == 0

    queue.done(key)
    assert await drain(queue) == [A]


async def test_a_key_that_was_not_added_meanwhile_does_not_come_back(queue: WorkQueue) -> None:
    queue.add(A)
    queue.done(await queue.get())

    assert queue.statistics().waiting == 0


async def test_keys_come_out_in_the_order_in_which_they_went_in(queue: WorkQueue) -> None:
    for key in (B, A, C, A):
        queue.add(key)

    assert await drain(queue) == [B, A, C]


async def test_routine_lets_others_pass(queue: WorkQueue, clock: FakeClock) -> None:
    queue.add(A, routine=True)
    queue.add(B, routine=True)
    clock.advance(SECOND)
    queue.add(C)

    assert await drain(queue) == [C, A, B]


async def test_routine_waits_no_longer_than_its_handicap(
    queue: WorkQueue, clock: FakeClock
) -> None:
    queue.add(A, routine=True)
    clock.advance(ROUTINE_HANDICAP + SECOND)
    queue.add(B)

    assert await drain(queue) == [A, B]


async def test_a_routine_key_that_becomes_urgent_passes_the_others(queue: WorkQueue) -> None:
    queue.add(A, routine=True)
    queue.add(B, routine=True)
    queue.add(B)

    assert await drain(queue) == [B, A]


async def test_an_urgent_key_stays_urgent_when_it_is_added_as_routine(queue: WorkQueue) -> None:
    queue.add(A)
    queue.add(A, routine=True)
    queue.add(B)

    assert await drain(queue) == [A, B]


async def test_many_workers_take_each_key_once(queue: WorkQueue) -> None:
    keys = [Key("ns", str(number)) for number in range(100)]
    taken: list[Key] = []

    async def work() -> None:
        while True:
            key = await queue.get()
            await settle(1)
            taken.append(key)
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(7)]
    for key in keys:
        queue.add(key)
    await settle(100)

    assert sorted(taken) == sorted(keys)
    assert queue.statistics().processing == 0
    queue.shut_down()
    results = await asyncio.gather(*workers, return_exceptions=True)
    assert all(isinstance(result, QueueShutDown) for result in results)


async def test_a_waiting_worker_that_is_cancelled_passes_its_key_on(queue: WorkQueue) -> None:
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await settle()
    queue.add(A)
    first.cancel()
    await settle()

    assert second.done()
    assert second.result() == A


async def test_after_the_shutdown_nothing_comes_out(queue: WorkQueue) -> None:
    queue.add(A)
    queue.add(B)
    key = await queue.get()
    queue.shut_down()
    queue.add(C)
    queue.done(key)

    with pytest.raises(QueueShutDown):
        await queue.get()


async def test_a_delayed_key_comes_when_it_is_due(queue: WorkQueue, clock: FakeClock) -> None:
    delays = asyncio.create_task(queue.run_delays())
    queue.add_after(A, 10 * SECOND)

    await clock.pass_by(9 * SECOND)
    assert queue.statistics().waiting == 0

    await clock.pass_by(SECOND)
    assert await drain(queue) == [A]
    delays.cancel()


async def test_of_several_delays_the_earliest_counts(queue: WorkQueue, clock: FakeClock) -> None:
    delays = asyncio.create_task(queue.run_delays())
    for seconds in (10, 5, 20):
        queue.add_after(A, seconds * SECOND)
    queue.add_after(B, 7 * SECOND)

    await clock.pass_by(5 * SECOND)
    assert await drain(queue) == [A]
    await clock.pass_by(2 * SECOND)
    assert await drain(queue) == [B]
    await clock.pass_by(20 * SECOND)
    assert await drain(queue) == []
    delays.cancel()


async def test_failures_double_the_wait_up_to_a_minute(queue: WorkQueue) -> None:
    waits = [queue.add_rate_limited(A).total_seconds() for _ in range(20)]

    assert waits[:4] == [0.005, 0.01, 0.02, 0.04]
    assert max(waits) == 60
    assert queue.add_rate_limited(B).total_seconds() == 0.005


async def test_success_resets_the_wait(queue: WorkQueue) -> None:
    queue.add_rate_limited(A)
    queue.add_rate_limited(A)
    queue.forget(A)

    assert queue.add_rate_limited(A).total_seconds() == 0.005
