from dataclasses import dataclass
from datetime import timedelta

import pytest

from ray_operator.operator.expectations import EXPIRY, Expectations, Sight
from ray_operator.operator.keys import Key
from support.fake_clock import FakeClock

OWNER, OTHER = Key("ns", "cluster"), Key("ns", "other")
BLIND = Sight(names=(), living=("uid",))


@pytest.fixture
def expectations(clock: FakeClock) -> Expectations:
    found = Expectations(clock)
    found.expect_create(OWNER, "group", "pod")
    found.expect_delete(OWNER, "group", "uid")
    return found


@dataclass(frozen=True)
class Case:
    sight: Sight
    want: bool


CASES = {
    "nothing is seen yet": Case(BLIND, want=False),
    "only the creation is seen": Case(Sight(["pod"], ["uid"]), want=False),
    "only the deletion is seen": Case(Sight([], []), want=False),
    "both are seen": Case(Sight(["pod"], []), want=True),
    "a terminating pod counts as deleted": Case(Sight(["pod", "old"], ["another"]), want=True),
}


@pytest.mark.parametrize("case", [pytest.param(c, id=s) for s, c in CASES.items()])
def test_a_lane_is_settled_when_all_is_seen(expectations: Expectations, case: Case) -> None:
    assert expectations.settled(OWNER, "group", case.sight) is case.want


def test_what_was_seen_once_is_not_waited_for_again(expectations: Expectations) -> None:
    expectations.settled(OWNER, "group", Sight(["pod"], ["uid"]))

    assert expectations.settled(OWNER, "group", Sight([], []))


def test_other_lanes_and_owners_do_not_wait(expectations: Expectations) -> None:
    assert expectations.settled(OWNER, "another group", BLIND)
    assert expectations.settled(OTHER, "group", BLIND)


def test_a_request_that_certainly_failed_is_not_waited_for(expectations: Expectations) -> None:
    expectations.failed(OWNER, "group", name="pod")
    expectations.failed(OWNER, "group", uid="uid")

    assert expectations.settled(OWNER, "group", BLIND)
    assert expectations.statistics().owners == 0


def test_waiting_ends(expectations: Expectations, clock: FakeClock) -> None:
    clock.advance(EXPIRY - timedelta(seconds=1))
    assert not expectations.settled(OWNER, "group", BLIND)

    clock.advance(timedelta(seconds=1))
    assert expectations.settled(OWNER, "group", BLIND)


def test_an_owner_that_is_gone_is_forgotten(expectations: Expectations) -> None:
    expectations.forget(OWNER)

    assert expectations.statistics() == expectations.statistics().__class__(0, 0, 0)


def test_failing_to_do_what_was_never_expected_is_nothing(expectations: Expectations) -> None:
    expectations.failed(OTHER, "group", name="pod")

    assert expectations.statistics().owners == 1
