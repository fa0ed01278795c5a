"""A fault that lasts is logged when it begins and once a minute, not at every attempt."""

from ray_operator.operator.clock import Clock

EVERY_SECONDS = 60.0


class Complaints:
    """Remembers when one kind of fault was last logged."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: float | None = None

    def is_due(self) -> bool:
        """Tell whether to log now; if so, the next minute is quiet."""
        now = self._clock.monotonic()
        if self._last is not None and now - self._last < EVERY_SECONDS:
            return False
        self._last = now
        return True

    def end(self) -> None:
        """The fault is over: the next one is logged at once."""
        self._last = None
