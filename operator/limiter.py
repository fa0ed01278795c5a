"""The client-side rate limit: a bucket of tokens, as client-go has it."""

from datetime import timedelta

from ray_operator.operator.clock import Clock


class Limiter:
    """Lets `burst` requests pass at once and `qps` a second after that, first come first served.

    Args:
        qps: requests a second; 0 or less is no limit.
        burst: the size of the bucket, at least 1.
        clock: where time comes from.
    """

    def __init__(self, qps: float, burst: int, clock: Clock) -> None:
        self._qps = qps
        self._burst = max(burst, 1)
        self._clock = clock
        self._tokens = float(self._burst)
        self._filled = clock.monotonic()

    async def wait(self) -> None:
        """Take one token, waiting for it if need be.

        The token is booked before the wait (the count goes below zero), so that whoever comes
        later waits longer: no queue and no lock are needed.
        """
        if self._qps <= 0:
            return
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._qps)
        self._filled = now
        self._tokens -= 1
        if self._tokens < 0:
            await self._clock.sleep(timedelta(seconds=-self._tokens / self._qps))
