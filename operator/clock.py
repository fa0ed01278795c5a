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


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return `time.monotonic()`: comparable between the threads of this process."""
        return time.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        """Wait on the event loop's timer."""
        await asyncio.sleep(max(duration.total_seconds(), 0))
