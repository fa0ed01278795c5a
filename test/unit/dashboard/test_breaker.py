from datetime import timedelta
from itertools import pairwise

import pytest

from ray_operator.controllers.dashboard.breaker import LONGEST_PAUSE, TOLERATED, Breaker

MIDDLE = 0.5  # the chance that adds and takes nothing


def after(failures: int, chance: float = MIDDLE) -> Breaker:
    breaker = Breaker()
    for _ in range(failures):
        breaker = breaker.after_failure(monotonic=100.0, chance=chance)
    return breaker


def test_a_few_failures_leave_the_breaker_closed() -> None:
    assert after(TOLERATED - 1).allows(100.0)


def test_the_fifth_failure_in_a_row_opens_it_for_five_seconds() -> None:
    breaker = after(TOLERATED)
    assert not breaker.allows(104.9)
    assert breaker.allows(105.0)


def test_each_failed_trial_doubles_the_pause_up_to_a_minute() -> None:
    pauses = [after(TOLERATED + n).open_until - 100.0 for n in range(8)]
    assert pauses == [5, 10, 20, 40, 60, 60, 60, 60]


def test_one_success_closes_it() -> None:
    breaker = after(TOLERATED + 3).after_success()
    assert breaker.allows(100.0)
    assert breaker.failures == 0


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_chance_moves_the_end_of_a_pause_by_a_fifth_at_most(chance: float) -> None:
    longest = LONGEST_PAUSE.total_seconds()
    pause = after(TOLERATED + 9, chance).open_until - 100.0
    assert longest * 0.8 <= pause <= longest * 1.2


def test_a_breaker_that_failed_for_days_still_has_a_pause() -> None:
    assert after(2000).open_until - 100.0 <= timedelta(minutes=2).total_seconds()


def test_pauses_never_shrink_while_it_fails() -> None:
    ends = [after(n).open_until for n in range(20)]
    assert all(earlier <= later for earlier, later in pairwise(ends))
