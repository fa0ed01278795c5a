"""A queue of keys with the promises of client-go's workqueue, fair where that is first come first.

- *Stingy*: a key that was added many times before a worker took it is worked on once.
- *One at a time*: a key is never in two workers' hands; added meanwhile, it is back after `done`.
- *Fair*: keys wait in four lines, by why they wait (`Urgency`).  Of every eight keys that are
  handed out, each line that has any gets at least its share (`SHARES`).  In a line the namespaces
  take turns, and in a namespace who came first goes first.  So the key at place p of its namespace
  in a line in which n namespaces wait is out after at most 8·p·n others: however many others'
  keys wait, they delay a deletion, or a cluster in another namespace, by a few turns.
- *Nothing starves*: for the same reason.
- *No namespace holds all workers*: of sixteen, two are kept for others (`most_a_namespace`), so
  that an admission webhook which hangs delays only those whom it concerns.
- *Many to many*: any number of producers and workers.
- *Shutdown*: after `shut_down`, nothing new comes out; `done` may still be called.

What it costs: to add and to take are constant time, but that taking steps over a namespace which
holds its workers; a namespace that is alone has an eighth of the workers idle; and there is no
order between lines or namespaces.  Within one line and namespace, objects are equals: there a new
cluster waits for one turn of each of the other new ones.

All methods belong to the event loop's thread.
"""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass
from datetime import timedelta

from ray_operator.operator import metrics
from ray_operator.operator.clock import Clock
from ray_operator.operator.delays import Delays
from ray_operator.operator.keys import Key
from ray_operator.operator.ratelimits import Backoff, FailureCounts
from ray_operator.operator.rotation import Rotation
from ray_operator.operator.urgency import Urgency

RETRY = Backoff(first=timedelta(milliseconds=5), ceiling=timedelta(seconds=60))
"""client-go's first step; its 1,000 s ceiling left objects alone for a quarter of an hour."""

SHARES = (
    Urgency.ENDING,
    Urgency.ASKED,
    Urgency.CHANGED,
    Urgency.ENDING,
    Urgency.ASKED,
    Urgency.CHANGED,
    Urgency.ASKED,
    Urgency.ROUTINE,
)
"""Whose turn it is, round and round; a line in which nobody waits gives its turn to the next."""

SPARE = 8
"""One of so many workers is kept for other namespaces than the one that has all the others."""


def most_a_namespace(workers: int) -> int:
    """Return how many of the workers one namespace may hold at a time."""
    return workers - workers // SPARE


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
    """Keys to reconcile.

    Args:
        name: the controller's, for metrics.
        clock: measures.
        workers: how many will take keys, for the share that one namespace may hold; `None` if
            that does not matter.
    """

    def __init__(self, name: str, clock: Clock, *, workers: int | None = None) -> None:
        self.name = name
        self._clock = clock
        self._most = float("inf") if workers is None else most_a_namespace(workers)
        # Keys that wait for a worker: since when, and in which line.
        self._waiting: dict[Key, tuple[float, Urgency]] = {}
        self._lines: dict[Urgency, Rotation[str, Key]] = {line: Rotation() for line in Urgency}
        self._turn = 0
        # Keys in workers' hands, and the line that each came from.
        self._processing: dict[Key, Urgency] = {}
        self._held: Counter[str] = Counter()  # how many of them are of which namespace
        # Keys in work that were added again meanwhile; they wait when they are given back.
        self._dirty: dict[Key, Urgency] = {}
        self._takers: deque[asyncio.Future[None]] = deque()
        self._shut_down = False
        self._failures: FailureCounts[Key] = FailureCounts(RETRY)
        self._delays = Delays(clock, self.add)
        self._adds = metrics.QUEUE_ADDS.labels(name, name)
        self._retries = metrics.QUEUE_RETRIES.labels(name)
        self._wait_seconds = metrics.QUEUE_WAIT_SECONDS.labels(name)
        metrics.QUEUE_DEPTH.labels(name).set_function(lambda: len(self._waiting))

    def add(self, key: Key, urgency: Urgency = Urgency.CHANGED) -> None:
        """Put `key` on the queue; if it waits there already, the more urgent line counts."""
        if self._shut_down:
            return
        if key not in self._waiting and key not in self._dirty:
            self._adds.inc()
        if key in self._processing:
            self._dirty[key] = min(urgency, self._dirty.get(key, urgency))
        else:
            self._enqueue(key, urgency)

    def add_after(self, key: Key, delay: timedelta, urgency: Urgency = Urgency.CHANGED) -> None:
        """Put `key` on the queue after `delay`; of several times the earliest counts."""
        if delay <= timedelta():
            self.add(key, urgency)
        elif not self._shut_down:
            self._delays.add(key, delay, urgency)

    def add_rate_limited(self, key: Key) -> timedelta:
        """Put `key` on the queue after its back-off, in the line it came from; return the wait."""
        self._retries.inc()
        delay = self._failures.count(key)
        self.add_after(key, delay, self._processing.get(key, Urgency.CHANGED))
        return delay

    def cancel_delay(self, key: Key) -> None:
        """Drop what `add_after` planned for `key`."""
        self._delays.drop(key)

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
            if (key := self._take()) is not None:
                return key
            await self._wait()

    def done(self, key: Key) -> None:
        """Give `key` back; if it was added meanwhile, it waits again at once."""
        if self._processing.pop(key, None) is None:
            return
        self._held[key.namespace] -= 1
        if not self._held[key.namespace]:
            del self._held[key.namespace]
        urgency = self._dirty.pop(key, None)
        if urgency is not None and not self._shut_down:
            self._enqueue(key, urgency)
        elif self._waiting:
            self._wake_one()  # one of this namespace may have waited for this worker

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

    def _enqueue(self, key: Key, urgency: Urgency) -> None:
        since = self._clock.monotonic()
        if key in self._waiting:
            since, line = self._waiting[key]
            if line <= urgency:
                return
            self._lines[line].remove(key.namespace, key)
        self._waiting[key] = (since, urgency)
        self._lines[urgency].add(key.namespace, key)
        self._wake_one()

    def _take(self) -> Key | None:
        if not self._waiting:
            return None
        for step in range(len(SHARES)):
            turn = (self._turn + step) % len(SHARES)
            if (key := self._lines[SHARES[turn]].take(self._may_hold_more)) is not None:
                self._turn = (turn + 1) % len(SHARES)
                return self._hand_out(key)
        return None

    def _hand_out(self, key: Key) -> Key:
        since, urgency = self._waiting.pop(key)
        self._processing[key] = urgency
        self._held[key.namespace] += 1
        self._wait_seconds.observe(self._clock.monotonic() - since)
        return key

    def _may_hold_more(self, namespace: str) -> bool:
        return self._held[namespace] < self._most

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
