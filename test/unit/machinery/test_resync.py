from datetime import timedelta

from ray_operator.operator.keys import Key
from ray_operator.operator.resync import Resync
from support.fake_clock import FakeClock

INTERVAL = timedelta(seconds=300)
KEYS = [Key("ns", f"cluster-{number}") for number in range(1000)]


def waits(clock: FakeClock) -> list[float]:
    resync = Resync(INTERVAL, clock)
    found = [resync.wait(key) for key in KEYS]
    return [wait.total_seconds() for wait in found if wait is not None]


def test_objects_that_are_looked_at_together_are_looked_at_again_spread_over_the_interval(
    clock: FakeClock,
) -> None:
    tenths = [sum(30 * n <= wait < 30 * (n + 1) for wait in waits(clock)) for n in range(11)]

    assert tenths[0] == 0
    assert all(70 < count < 130 for count in tenths[1:])


def test_another_process_looks_at_the_same_moments(clock: FakeClock) -> None:
    assert waits(clock) == waits(clock)


def test_who_was_just_looked_at_waits_for_the_next_moment(clock: FakeClock) -> None:
    resync = Resync(INTERVAL, clock)
    wait = resync.wait(KEYS[0])
    assert wait is not None
    clock.advance(wait)

    assert resync.wait(KEYS[0]) == INTERVAL


def test_nothing_is_looked_at_again_where_the_safety_net_is_off(clock: FakeClock) -> None:
    assert Resync(None, clock).wait(KEYS[0]) is None
