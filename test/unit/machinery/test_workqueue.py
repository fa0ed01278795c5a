"""The promises of workqueue.py, in their order."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ray_operator.operator.keys import Key
from ray_operator.operator.urgency import Urgency
from ray_operator.operator.workqueue import SHARES, QueueShutDown, WorkQueue, most_a_namespace
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


# -- fairness: no mass of others' keys is waited for


MASS = [Key("ns", f"mass-{number}") for number in range(1000)]
A_FEW = len(SHARES)


async def place_of(key: Key, queue: WorkQueue) -> int:
    """How many others come out before `key`."""
    for place in range(len(MASS) + 1):
        taken = await queue.get()
        queue.done(taken)
        if taken == key:
            return place
    raise AssertionError(f"{key} never came out")


@dataclass(frozen=True)
class Case:
    mass: Urgency
    key: Key
    urgency: Urgency


SMALL, SMALL_ELSEWHERE = Key("ns", "small"), Key("elsewhere", "small")
CASES = {
    "a deletion passes resyncs": Case(Urgency.ROUTINE, SMALL, Urgency.ENDING),
    "a deletion passes changes": Case(Urgency.CHANGED, SMALL, Urgency.ENDING),
    "a deletion passes new clusters": Case(Urgency.ASKED, SMALL, Urgency.ENDING),
    "a new cluster passes resyncs": Case(Urgency.ROUTINE, SMALL, Urgency.ASKED),
    "a new cluster passes changes": Case(Urgency.CHANGED, SMALL, Urgency.ASKED),
    "a new cluster passes deletions": Case(Urgency.ENDING, SMALL, Urgency.ASKED),
    "a new cluster passes another namespace's new clusters": Case(
        Urgency.ASKED, SMALL_ELSEWHERE, Urgency.ASKED
    ),
    "a change passes resyncs": Case(Urgency.ROUTINE, SMALL, Urgency.CHANGED),
    "a change passes another namespace's changes": Case(
        Urgency.CHANGED, SMALL_ELSEWHERE, Urgency.CHANGED
    ),
    "a change passes new clusters": Case(Urgency.ASKED, SMALL, Urgency.CHANGED),
    "a resync passes another namespace's resyncs": Case(
        Urgency.ROUTINE, SMALL_ELSEWHERE, Urgency.ROUTINE
    ),
    "a resync is not starved": Case(Urgency.ASKED, SMALL, Urgency.ROUTINE),
}


@pytest.mark.parametrize("case", [pytest.param(c, id=s) for s, c in CASES.items()])
async def test_a_mass_delays_by_a_few_turns(queue: WorkQueue, case: Case) -> None:
    for key in MASS:
        queue.add(key, case.mass)
    queue.add(case.key, case.urgency)

    assert await place_of(case.key, queue) < A_FEW


async def test_who_waits_in_all_lines_gets_its_share(queue: WorkQueue) -> None:
    for urgency in Urgency:
        for number in range(100):
            queue.add(Key("ns", f"{urgency.name}-{number}"), urgency)

    taken = [await queue.get() for _ in range(10 * len(SHARES))]

    shares = Counter(key.name.split("-")[0] for key in taken)
    assert shares == {"ENDING": 20, "ASKED": 30, "CHANGED": 20, "ROUTINE": 10}


async def test_a_key_that_becomes_more_urgent_passes_the_others(queue: WorkQueue) -> None:
    queue.add(A, Urgency.ROUTINE)
    queue.add(B, Urgency.ROUTINE)
    queue.add(B, Urgency.ASKED)

    assert await drain(queue) == [B, A]


async def test_a_key_does_not_become_less_urgent(queue: WorkQueue) -> None:
    queue.add(A, Urgency.ENDING)
    queue.add(A, Urgency.ROUTINE)
    queue.add(B, Urgency.CHANGED)

    assert await drain(queue) == [A, B]


async def test_a_key_in_work_comes_back_with_the_urgency_of_what_happened_meanwhile(
    queue: WorkQueue,
) -> None:
    queue.add(A)
    key = await queue.get()
    queue.add(A, Urgency.ENDING)
    queue.add(A, Urgency.ROUTINE)
    queue.add(B, Urgency.ROUTINE)
    queue.done(key)

    assert await drain(queue) == [A, B]


async def test_a_retry_waits_in_the_line_that_it_came_from(
    queue: WorkQueue, clock: FakeClock
) -> None:
    delays = asyncio.create_task(queue.run_delays())
    queue.add(A, Urgency.ENDING)
    queue.add_rate_limited(await queue.get())
    queue.done(A)
    queue.add(B, Urgency.ROUTINE)
    await clock.pass_by(SECOND)

    assert await drain(queue) == [A, B]
    delays.cancel()


async def test_a_namespace_leaves_some_workers_to_others(clock: FakeClock) -> None:
    queue = WorkQueue("test", clock, workers=16)
    for key in MASS:
        queue.add(key)
    held = [await queue.get() for _ in range(most_a_namespace(16))]
    spare = asyncio.create_task(queue.get())
    await settle()
    assert len(held) == 14
    assert not spare.done()

    queue.add(SMALL_ELSEWHERE, Urgency.ROUTINE)
    assert await spare == SMALL_ELSEWHERE

    waiting = asyncio.create_task(queue.get())
    await settle()
    assert not waiting.done()
    queue.done(held.pop())
    assert await waiting in MASS


async def test_a_single_worker_serves_every_namespace(clock: FakeClock) -> None:
    queue = WorkQueue("test", clock, workers=1)
    queue.add(A)

    assert await drain(queue) == [A]


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


async def test_of_several_delays_the_most_urgent_reason_counts(
    queue: WorkQueue, clock: FakeClock
) -> None:
    delays = asyncio.create_task(queue.run_delays())
    queue.add_after(A, 5 * SECOND, Urgency.ROUTINE)
    queue.add_after(A, 10 * SECOND, Urgency.ASKED)
    queue.add(B, Urgency.CHANGED)
    queue.add(C, Urgency.ROUTINE)

    await clock.pass_by(5 * SECOND)
    assert set(await drain(queue)) == {A, B, C}
    await clock.pass_by(5 * SECOND)
    assert await drain(queue) == []
    delays.cancel()


async def test_a_delay_that_was_cancelled_brings_nothing(
    queue: WorkQueue, clock: FakeClock
) -> None:
    delays = asyncio.create_task(queue.run_delays())
    queue.add_after(A, SECOND)
    queue.cancel_delay(A)
    await clock.pass_by(2 * SECOND)

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
