"""The safety net: when to look at an object again though nothing is known to have happened.

Each key has its own moment in the interval, made of its name: so objects that were made together,
or are all looked at when the process starts, are looked at evenly over the interval from then on.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from ray_operator.operator.clock import Clock
from ray_operator.operator.keys import Key

AT_LEAST = 0.1
"""So much of the interval passes before another look: who was just looked at waits for the next
moment."""


@dataclass(frozen=True, slots=True)
class Resync:
    """Every `interval` once for each key; never if it is `None`."""

    interval: timedelta | None
    clock: Clock

    def wait(self, key: Key) -> timedelta | None:
        """Return the time until the key's next moment: 0.1 to 1.1 intervals."""
        if self.interval is None:
            return None
        digest = hashlib.blake2b(str(key).encode(), digest_size=4).digest()
        moment = int.from_bytes(digest) / 2**32
        now = self.clock.monotonic() / self.interval.total_seconds()
        return self.interval * ((moment - now - AT_LEAST) % 1 + AT_LEAST)
