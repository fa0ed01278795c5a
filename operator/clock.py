"""Time, asked for in one place, so that a test can hold it still.

Nothing else in the operator reads the time or sleeps.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the machinery and the controllers know about time."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC: for what is written into objects."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump: for measuring, back-off and fencing."""
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Wait; a duration of zero or less only lets the other tasks run."""
        ...


_UNSTOPPABLE = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""On Linux it counts on while the machine is suspended or its VM is paused, unlike
`time.monotonic()`: the others, who may lead from then on, count on, too."""


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since the machine started: comparable between threads."""
        return time.clock_gettime(_UNSTOPPABLE)

    async def sleep(self, duration: timedelta) -> None:
        """Wait on the event loop's timer."""
        await asyncio.sleep(max(duration.total_seconds(), 0))
