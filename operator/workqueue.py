"""A queue of keys with the promises of client-go's workqueue.

- *Stingy*: a key that was added many times before a worker took it is worked on once.
- *One at a time*: a key is never in two workers' hands; added meanwhile, it is back after `done`.
- *Fair*: keys come out in the order in which they went in.  Routine ones (first list, resync)
  let others pass, but for 10 s at most: they can't starve either.
- *Many to many*: any number of producers and workers.
- *Shutdown*: after `shut_down`, nothing new comes out; `done` may still be called.

All methods belong to the event loop's thread.
"""

import asyncio
import heapq
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from ray_operator.operator import metrics
from ray_operator.operator.clock import Clock
from ray_operator.operator.delays import Delays
from ray_operator.operator.keys import Key
from ray_operator.operator.ratelimits import Backoff, FailureCounts

RETRY = Backoff(first=timedelta(milliseconds=5), ceiling=timedelta(seconds=60))
"""client-go's first step; its 1,000 s ceiling left objects alone for a quarter of an hour."""

ROUTINE_HANDICAP = timedelta(seconds=10)
"""How far a routine key may be overtaken: a start with 1,000 clusters takes less."""


class QueueShutDown(Exception):  # noqa: N818 - a signal to the workers, not a fault
    """There will be no more keys."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot for tests, metrics and debugging: numbers of keys."""

    waiting: int
    processing: int
    delayed: int
    failing: int


class WorkQueue:
    """Keys to reconcile; `name` is the controller's, for metrics."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        # Keys that need work. A key in work that was added again is dirty, but not in the heap.
        self._dirty: set[Key] = set()
        # Keys in workers' hands.
        self._processing: set[Key] = set()
        # (rank, sequence, key), lowest first. A key whose rank improved has an outdated entry, too.
        self._heap: list[tuple[float, int, Key]] = []
        # Rank and time of adding of the keys in the heap.
        self._waiting: dict[Key, tuple[float, float]] = {}
        self._sequence = count()
        self._takers: deque[asyncio.Future[None]] = deque()
        self._shut_down = False
        self._failures: FailureCounts[Key] = FailureCounts(RETRY)
        self._delays = Delays(clock, self.add)
        self._retries = metrics.QUEUE_RETRIES.labels(name)
        self._wait_seconds = metrics.QUEUE_WAIT_SECONDS.labels(name)
        metrics.QUEUE_DEPTH.labels(name).set_function(lambda: len(self._waiting))
        metrics.PEER_QUEUE_DEPTH.labels(name).set_function(lambda: len(self._waiting))

    def add(self, key: Key, *, routine: bool = False) -> None:
        """Put `key` on the queue.

        Nothing happens if it waits there already, but that a routine entry loses its handicap.
        """
        if self._shut_down:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._enqueue(key, routine=routine)

    def add_after(self, key: Key, delay: timedelta) -> None:
        """Put `key` on the queue after `delay`; of several times the earliest counts."""
        if delay <= timedelta():
            self.add(key)
        elif not self._shut_down:
            self._delays.add(key, delay)

    def add_rate_limited(self, key: Key) -> timedelta:
        """Put `key` on the queue after its back-off, and return that."""
        self._retries.inc()
        delay = self._failures.count(key)
        self.add_after(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """Reset the back-off of `key`: it succeeded."""
        self._failures.forget(key)

    async def get(self) -> Key:
        """Take the next key; the caller must call `done` with it.

        Raises:
            QueueShutDown: `shut_down` was called.
        """
        while True:
            if self._shut_down:
                raise QueueShutDown
            if (key := self._pop()) is not None:
                return key
            await self._wait()

    def done(self, key: Key) -> None:
        """Give `key` back; if it was added meanwhile, it waits again at once."""
        self._processing.discard(key)
        if key in self._dirty and not self._shut_down:
            self._enqueue(key, routine=False)

    def shut_down(self) -> None:
        """Hand out no more keys; whoever waits for one is told."""
        self._shut_down = True
        for taker in self._takers:
            _wake(taker)
        self._takers.clear()

    async def run_delays(self) -> None:
        """Deliver delayed keys until cancelled; the controller keeps this running."""
        await self._delays.run()

    def statistics(self) -> Statistics:
        """Count the keys."""
        return Statistics(
            waiting=len(self._waiting),
            processing=len(self._processing),
            delayed=len(self._delays),
            failing=len(self._failures),
        )

    def _enqueue(self, key: Key, *, routine: bool) -> None:
        now = self._clock.monotonic()
        rank = now + ROUTINE_HANDICAP.total_seconds() * routine
        waiting = self._waiting.get(key)
        if waiting is not None and waiting[0] <= rank:
            return
        self._waiting[key] = (rank, waiting[1] if waiting else now)
        heapq.heappush(self._heap, (rank, next(self._sequence), key))
        self._wake_one()

    def _pop(self) -> Key | None:
        while self._heap:
            rank, _, key = heapq.heappop(self._heap)
            waiting = self._waiting.get(key)
            if waiting is None or waiting[0] != rank:
                continue
            del self._waiting[key]
            self._dirty.discard(key)
            self._processing.add(key)
            self._wait_seconds.observe(self._clock.monotonic() - waiting[1])
            return key
        return None

    async def _wait(self) -> None:
        taker = asyncio.get_running_loop().create_future()
        self._takers.append(taker)
        try:
            await taker
        except asyncio.CancelledError:
            # Woken and cancelled at once: the key that we were woken for must not be forgotten.
            if taker.done() and not taker.cancelled():
                self._wake_one()
            raise
        finally:
            if taker in self._takers:
                self._takers.remove(taker)

    def _wake_one(self) -> None:
        while self._takers:
            if _wake(self._takers.popleft()):
                return


def _wake(taker: asyncio.Future[None]) -> bool:
    if taker.done():
        return False
    taker.set_result(None)
    return True
