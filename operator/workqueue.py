"""A queue of keys with client-go's promises (signatures first; the promises follow)."""

from dataclasses import dataclass
from datetime import timedelta

from ray_operator.operator.clock import Clock
from ray_operator.operator.keys import Key


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot for tests, metrics and debugging."""

    waiting: int
    processing: int
    delayed: int
    failing: int


class WorkQueue:
    """Keys to reconcile."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name

    def add(self, key: Key) -> None:
        """Put `key` on the queue, unless it waits there already."""
        raise NotImplementedError

    def add_after(self, key: Key, delay: timedelta) -> None:
        """Put `key` on the queue after `delay`; of several, the earliest counts."""
        raise NotImplementedError

    def add_rate_limited(self, key: Key) -> None:
        """Put `key` on the queue after its back-off."""
        raise NotImplementedError

    def forget(self, key: Key) -> None:
        """Reset the back-off of `key`."""
        raise NotImplementedError

    def statistics(self) -> Statistics:
        """Return a snapshot."""
        raise NotImplementedError
