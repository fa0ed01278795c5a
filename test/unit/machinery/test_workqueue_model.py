"""Random lives of a queue against what workqueue.py promises."""

import asyncio
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from ray_operator.operator.keys import Key
from ray_operator.operator.urgency import Urgency
from ray_operator.operator.workqueue import SHARES, WorkQueue, most_a_namespace
from support.fake_clock import FakeClock, settle

WORKERS = 8
KEYS = st.builds(Key, st.sampled_from(["x", "y", "z"]), st.sampled_from([*"abcdefgh"]))
URGENCIES = st.sampled_from(Urgency)


def longest_wait(line: Urgency) -> int:
    """How many turns of others may pass until a line has its own."""
    turns = [turn for turn, whose in enumerate(SHARES * 2) if whose is line]
    return max(later - earlier for earlier, later in pairwise(turns)) - 1


class QueueLives(RuleBasedStateMachine):
    """What may happen to a queue, and what must hold whenever a key is taken."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.queue = WorkQueue("model", self.clock, workers=WORKERS)
        self.delays = self.runner.get_loop().create_task(self.queue.run_delays())
        # Lists in the order in which keys came; a key is in at most one of them.
        self.lines: dict[tuple[Urgency, str], list[Key]] = defaultdict(list)
        self.processing: dict[Key, Urgency] = {}
        self.dirty: dict[Key, Urgency] = {}
        self.due: dict[Key, tuple[float, Urgency]] = {}
        self.failures: dict[Key, int] = defaultdict(int)
        # How many turns of others a line that could go has seen, and whom a namespace let pass.
        self.waited: dict[Urgency, int] = defaultdict(int)
        self.passed: dict[tuple[Urgency, str], set[str]] = defaultdict(set)

    # -- what happens

    @rule(key=KEYS, urgency=URGENCIES)
    def add(self, key: Key, urgency: Urgency) -> None:
        self.queue.add(key, urgency)
        self.expect(key, urgency)

    @rule(key=KEYS, urgency=URGENCIES, seconds=st.integers(1, 5))
    def add_after(self, key: Key, urgency: Urgency, seconds: int) -> None:
        self.queue.add_after(key, timedelta(seconds=seconds), urgency)
        self.expect_later(key, seconds, urgency)

    @rule(key=KEYS)
    def cancel_delay(self, key: Key) -> None:
        self.queue.cancel_delay(key)
        self.due.pop(key, None)

    @rule(seconds=st.integers(1, 5))
    def time_passes(self, seconds: int) -> None:
        self.runner.run(self.clock.pass_by(timedelta(seconds=seconds)))
        now = self.clock.monotonic()
        for at, key, urgency in sorted((at, key, u) for key, (at, u) in self.due.items()):
            if at <= now:
                del self.due[key]
                self.expect(key, urgency)

    @rule(target=held)
    def take(self) -> object:
        key = self.runner.run(self.try_to_take())
        able = {place for place in self.lines if self.is_able(place)}
        if key is None:
            assert not able, "a key that may go was kept back"
            return multiple()
        place = next(p for p, keys in self.lines.items() if key in keys)
        assert key not in self.processing, "a key is in two hands"
        assert place in able, "a namespace holds too many workers"
        assert self.lines[place][0] == key, "first come, first served"
        self.check_turns(place, able)
        self.lines[place].pop(0)
        if not self.lines[place]:
            del self.lines[place]
        self.processing[key] = place[0]
        return key

    @rule(key=consumes(held))
    def succeed(self, key: Key) -> None:
        if key not in self.processing:
            return  # it was given back by `everybody_has_a_turn`
        self.queue.forget(key)
        self.failures.pop(key, None)
        self.give_back(key)

    @rule(key=consumes(held))
    def fail(self, key: Key) -> None:
        if key not in self.processing:
            return  # same
        delay = self.queue.add_rate_limited(key)
        self.failures[key] += 1
        assert delay.total_seconds() == min(0.005 * 2 ** (self.failures[key] - 1), 60)
        self.expect_later(key, delay.total_seconds(), self.processing[key])
        self.give_back(key)

    # -- what must hold

    @invariant()
    def counts_agree(self) -> None:
        found = self.queue.statistics()
        assert found.waiting == sum(map(len, self.lines.values()))
        assert found.processing == len(self.processing)
        assert found.delayed == len(self.due)
        assert found.failing == len(self.failures)

    @precondition(lambda self: self.lines)
    @rule()
    def everybody_has_a_turn(self) -> None:
        """Nobody comes any more: as many turns as keys wait empty the queue."""
        for key in tuple(self.processing):
            self.give_back(key)
        waiting = {key for keys in self.lines.values() for key in keys}
        self.runner.run(self.drain(waiting))
        self.lines.clear()
        self.waited.clear()
        self.passed.clear()

    def teardown(self) -> None:
        self.delays.cancel()
        self.runner.close()

    # -- the model

    def expect(self, key: Key, urgency: Urgency) -> None:
        if key in self.processing:
            self.dirty[key] = min(urgency, self.dirty.get(key, urgency))
            return
        old = next((place for place, keys in self.lines.items() if key in keys), None)
        if old is not None:
            if old[0] <= urgency:
                return
            self.lines[old].remove(key)
            if not self.lines[old]:
                del self.lines[old]
                self.passed.pop(old, None)
        self.lines[urgency, key.namespace].append(key)

    def expect_later(self, key: Key, seconds: float, urgency: Urgency) -> None:
        planned, most = self.due.get(key, (float("inf"), urgency))
        self.due[key] = (min(self.clock.monotonic() + seconds, planned), min(urgency, most))

    def give_back(self, key: Key) -> None:
        self.queue.done(key)
        del self.processing[key]
        if key in self.dirty:
            self.expect(key, self.dirty.pop(key))

    def is_able(self, place: tuple[Urgency, str]) -> bool:
        held = sum(1 for key in self.processing if key.namespace == place[1])
        return held < most_a_namespace(WORKERS)

    def check_turns(self, taken: tuple[Urgency, str], able: set[tuple[Urgency, str]]) -> None:
        for line in Urgency:
            can_go = line is not taken[0] and any(place[0] is line for place in able)
            self.waited[line] = self.waited[line] + 1 if can_go else 0
            assert self.waited[line] <= longest_wait(line), f"{line} did not get its share"
        for place in tuple(self.passed):
            if place not in able or place == taken:
                del self.passed[place]
        for place in able - {taken}:
            if place[0] is taken[0]:
                assert taken[1] not in self.passed[place], "a namespace was overtaken twice"
                self.passed[place].add(taken[1])

    async def try_to_take(self) -> Key | None:
        task = asyncio.create_task(self.queue.get())
        await settle(2)
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    async def drain(self, waiting: set[Key]) -> None:
        while waiting:
            key = await asyncio.wait_for(self.queue.get(), 10)
            waiting.remove(key)
            self.queue.done(key)


TestQueueLives = QueueLives.TestCase
TestQueueLives.settings = settings(max_examples=100, stateful_step_count=80)
