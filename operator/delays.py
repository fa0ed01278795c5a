"""Keys that become due later; of several times for one key, the earliest counts.

They come with the urgency with which they were put off; of several, the greatest.
"""

import asyncio
import heapq
from collections.abc import Callable
from datetime import timedelta

from ray_operator.operator.clock import Clock
from ray_operator.operator.keys import Key
from ray_operator.operator.urgency import Urgency

SLACK = 100
"""So many outdated entries are not worth cleaning up."""


class Delays:
    """A heap of due times beside a queue, delivered by `run`."""

    def __init__(self, clock: Clock, deliver: Callable[[Key, Urgency], None]) -> None:
        self._clock = clock
        self._deliver = deliver
        # The truth; the heap may hold outdated entries.
        self._due: dict[Key, tuple[float, Urgency]] = {}
        self._heap: list[tuple[float, Key]] = []
        self._sooner = asyncio.Event()  # set when the next due time has moved forward

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: Key, delay: timedelta, urgency: Urgency) -> None:
        """Deliver `key` after `delay`, unless it is due sooner anyway."""
        due = self._clock.monotonic() + delay.total_seconds()
        planned, most = self._due.get(key, (float("inf"), urgency))
        self._due[key] = (min(due, planned), min(urgency, most))
        if due >= planned:
            return
        heapq.heappush(self._heap, (due, key))
        if self._heap[0][1] == key:
            self._sooner.set()
        if len(self._heap) > 2 * len(self._due) + SLACK:
            self._heap = [(due, key) for key, (due, _) in self._due.items()]
            heapq.heapify(self._heap)

    def drop(self, key: Key) -> None:
        """Deliver `key` no more."""
        self._due.pop(key, None)

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._deliver_due()
            self._sooner.clear()
            await self._wait_for_next()

    def _deliver_due(self) -> None:
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            planned, urgency = self._due.get(key, (None, Urgency.ROUTINE))
            if planned == due:
                del self._due[key]
                self._deliver(key, urgency)

    async def _wait_for_next(self) -> None:
        if not self._heap:
            await self._sooner.wait()
            return
        until = timedelta(seconds=self._heap[0][0] - self._clock.monotonic())
        waits = {
            asyncio.ensure_future(self._clock.sleep(until)),
            asyncio.ensure_future(self._sooner.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
