"""How long to wait after failures: exponential, bounded, jittered where many march in step."""

import random
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

_LARGEST_EXPONENT = 60
"""2**60 milliseconds is beyond every ceiling, and a float still holds it."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """A policy: `first`, doubled with each failure, at most `ceiling`.

    `jitter` 0.5 spreads a wait evenly over 0.5 to 1.5 times its length.
    """

    first: timedelta
    ceiling: timedelta
    jitter: float = 0.0

    def delay(self, failures: int) -> timedelta:
        """Return the wait after so many failures in a row (1 = the first)."""
        exponent = min(max(failures, 1) - 1, _LARGEST_EXPONENT)
        seconds = min(self.first.total_seconds() * 2**exponent, self.ceiling.total_seconds())
        spread = 1 + random.uniform(-self.jitter, self.jitter)  # noqa: S311 - no secret
        return timedelta(seconds=seconds * spread)


K = TypeVar("K", bound=Hashable)


class FailureCounts(Generic[K]):
    """How often each item failed in a row."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self._failures)

    def count(self, item: K) -> timedelta:
        """Note one more failure of `item`; return how long it shall wait."""
        self._failures[item] = self._failures.get(item, 0) + 1
        return self._backoff.delay(self._failures[item])

    def forget(self, item: K) -> None:
        """`item` succeeded, or is gone."""
        self._failures.pop(item, None)
