"""A circuit breaker: a Ray that does not answer is asked less and less often.

Closed until `TOLERATED` failures in a row; then open for a while that doubles with each failed
trial, from 5 s to 60 s (operator.md 6.1), jittered so that clusters lost together are not asked
together.  It holds no clock and no chance: both are handed in.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

TOLERATED = 5
"""Failures in a row before the breaker opens: a restarting head refuses a few times."""
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(seconds=60)
JITTER = 0.2
"""Share of a pause that chance may add or take."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is remembered of one cluster's failures.  `open_until` is monotonic seconds."""

    failures: int = 0
    open_until: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the last failures were so many that pauses are kept."""
        return self.failures >= TOLERATED

    def allows(self, monotonic: float) -> bool:
        """Tell whether a request may leave now; after a pause one trial may."""
        return not self.is_open or monotonic >= self.open_until

    def after_success(self) -> "Breaker":
        """Return the closed breaker."""
        return Breaker()

    def after_failure(self, monotonic: float, chance: float) -> "Breaker":
        """Count a failure; `chance` in [0, 1) places the end of the pause within the jitter."""
        counted = replace(self, failures=self.failures + 1)
        if not counted.is_open:
            return counted
        doubled = FIRST_PAUSE * (1 << min(counted.failures - TOLERATED, 10))
        pause = min(doubled, LONGEST_PAUSE) * (1 + JITTER * (2 * chance - 1))
        return replace(counted, open_until=monotonic + pause.total_seconds())
