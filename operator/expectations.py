"""What we did and the cache does not show yet, so that nothing is done twice.

Three verbs: *expect* before a request leaves, *failed* when it certainly had no effect, *settled*
to ask.  An expectation is about one child of one owner, in one lane (a worker group, say): a lane
that waits does not hold up the others.

A create is settled when the cache holds the name; a delete when that UID is gone or terminating.
Whatever is not seen within 30 s expires: an expectation may delay, never freeze (raycluster.md
§3.3; the peer's could freeze a group for ever).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from ray_operator.operator.clock import Clock
from ray_operator.operator.keys import Key

EXPIRY = timedelta(seconds=30)
"""A watch that is behind by more has been cut and lists again; longer would stall scale-up."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the cache shows of one owner's children.

    `names` are those present with our owner's UID, terminating ones included; `living` the UIDs
    of those that carry no deletionTimestamp.
    """

    names: Collection[str]
    living: Collection[str]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot for tests and metrics."""

    owners: int
    creations: int
    deletions: int


@dataclass(frozen=True, slots=True)
class _Expected:
    lane: str
    name: str = ""
    uid: str = ""


class Expectations:
    """The memory of writes in flight; one for the whole process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expiries: dict[Key, dict[_Expected, float]] = {}

    def expect_create(self, owner: Key, lane: str, name: str) -> None:
        """Remember that `name` is about to be created."""
        self._expect(owner, _Expected(lane, name=name))

    def expect_delete(self, owner: Key, lane: str, uid: str) -> None:
        """Remember that the object `uid` is about to be deleted."""
        self._expect(owner, _Expected(lane, uid=uid))

    def failed(self, owner: Key, lane: str, *, name: str = "", uid: str = "") -> None:
        """Forget one: the request had no effect, for certain.

        After a time-out the outcome is unknown: then leave the expectation standing.
        """
        expected = self._expiries.get(owner, {})
        expected.pop(_Expected(lane, name=name, uid=uid), None)
        if not expected:
            self._expiries.pop(owner, None)

    def is_waiting(self, owner: Key) -> bool:
        """Tell whether anything at all is expected of `owner`."""
        return owner in self._expiries

    def settled(self, owner: Key, lane: str, sight: Sight) -> bool:
        """Tell whether the cache shows all that was done in `lane`; forgets what it shows."""
        expected = self._expiries.get(owner, {})
        now = self._clock.monotonic()
        for item, expiry in tuple(expected.items()):
            if item.lane == lane and (expiry <= now or _shows(sight, item)):
                del expected[item]
        if not expected:
            self._expiries.pop(owner, None)
        return not any(item.lane == lane for item in expected)

    def wait(self, owner: Key) -> timedelta | None:
        """Return how long until what `owner` waits for expires; `None`: it waits for nothing.

        Forgets what has expired, also in lanes about which nobody asks any more.
        """
        now = self._clock.monotonic()
        left = {item: at for item, at in self._expiries.get(owner, {}).items() if at > now}
        if not left:
            self._expiries.pop(owner, None)
            return None
        self._expiries[owner] = left
        return timedelta(seconds=min(left.values()) - now)

    def forget(self, owner: Key) -> None:
        """Drop everything about an owner that is gone."""
        self._expiries.pop(owner, None)

    def statistics(self) -> Statistics:
        """Count what is waited for."""
        items = [item for expected in self._expiries.values() for item in expected]
        creations = sum(1 for item in items if item.name)
        return Statistics(len(self._expiries), creations, len(items) - creations)

    def _expect(self, owner: Key, item: _Expected) -> None:
        expiry = self._clock.monotonic() + EXPIRY.total_seconds()
        self._expiries.setdefault(owner, {})[item] = expiry


def _shows(sight: Sight, item: _Expected) -> bool:
    return item.name in sight.names if item.name else item.uid not in sight.living
