"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Implements `ray_operator.operator.clock.Clock`; `advance` wakes those whose time has come."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = timedelta()
        self._order = count()
        self._sleepers: list[tuple[timedelta, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Return the start plus what was advanced."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Return the seconds that were advanced."""
        return self._elapsed.total_seconds()

    async def sleep(self, duration: timedelta) -> None:
        """Wait until the clock was advanced far enough."""
        if duration <= timedelta():
            await asyncio.sleep(0)
            return
        wake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + duration, next(self._order), wake))
        await wake

    def advance(self, duration: timedelta) -> None:
        """Move time on; sleepers run at the next turn of the event loop."""
        self._elapsed += duration
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            _, _, wake = heapq.heappop(self._sleepers)
            if not wake.done():
                wake.set_result(None)

    def skip(self) -> None:
        """Move time on to the next sleeper's end; without sleepers it stands still."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if self._sleepers:
            self.advance(self._sleepers[0][0] - self._elapsed)

    async def pass_by(self, duration: timedelta) -> None:
        """Move time on and let everything that this wakes run until it waits again."""
        await settle()
        self.advance(duration)
        await settle()

    @property
    def next_sleep(self) -> float:
        """How many seconds the next sleeper still has to wait."""
        ends = (end for end, _, wake in self._sleepers if not wake.done())
        return (min(ends) - self._elapsed).total_seconds()

    @property
    def sleepers(self) -> int:
        """How many tasks wait for this clock."""
        return sum(1 for _, _, wake in self._sleepers if not wake.done())


async def settle(turns: int = 20) -> None:
    """Let the ready tasks of the loop run; no time passes."""
    for _ in range(turns):
        await asyncio.sleep(0)
