"""Conditions keep their transition time, and never carry what the API server would refuse."""

from datetime import UTC, datetime, timedelta

from ray_operator.api import conditions
from ray_operator.api.conditions import Condition, set_condition

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


def _ready(status: conditions.Status, reason: str = "Because", message: str = "") -> Condition:
    return Condition(conditions.READY, status, reason, message)


def test_the_transition_time_moves_with_the_status() -> None:
    before = set_condition((), _ready(conditions.FALSE), NOON)

    (after,) = set_condition(before, _ready(conditions.TRUE), LATER)

    assert after.since == LATER


def test_the_transition_time_stays_while_the_status_is_the_same() -> None:
    before = set_condition((), _ready(conditions.FALSE, "Initializing"), NOON)

    (after,) = set_condition(before, _ready(conditions.FALSE, "ZeroServeEndpoints", "none"), LATER)

    assert (after.since, after.reason, after.message) == (NOON, "ZeroServeEndpoints", "none")


def test_a_condition_set_again_is_equal_so_that_nothing_is_written() -> None:
    before = set_condition((), _ready(conditions.TRUE), NOON)

    assert set_condition(before, _ready(conditions.TRUE), LATER) == before


def test_other_conditions_keep_their_place_and_are_never_changed() -> None:
    other = Condition(conditions.SPEC_VALID, conditions.TRUE, conditions.VALID, since=NOON)
    before = (*set_condition((), _ready(conditions.FALSE), NOON), other)

    after = set_condition(before, _ready(conditions.TRUE), LATER)

    assert [c.type for c in after] == [conditions.READY, conditions.SPEC_VALID]
    assert after[1] is other
    assert before[0].status == conditions.FALSE


def test_a_reason_from_a_container_that_the_api_server_would_refuse_becomes_unknown() -> None:
    for reason in ("", "with space", "9lives", "Ends:", "x" * 1025):
        (after,) = set_condition((), _ready(conditions.FALSE, reason), NOON)
        assert after.reason == "Unknown"


def test_a_message_that_is_too_long_is_cut_visibly() -> None:
    (after,) = set_condition((), _ready(conditions.FALSE, message="x" * 40_000), NOON)

    assert len(after.message) == conditions.LONGEST_MESSAGE
    assert after.message.endswith("…")


def test_what_is_written_can_be_read_again() -> None:
    before = set_condition((), _ready(conditions.TRUE, message="fine"), NOON)

    assert conditions.parse_conditions([c.as_json() for c in before]) == before


def test_conditions_of_the_peer_are_read_whatever_they_hold() -> None:
    read = conditions.parse_conditions(
        [
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T12:00:00Z"},
            {"type": "Odd", "status": "maybe", "lastTransitionTime": "yesterday"},
            {"status": "True"},
        ],
    )

    assert [(c.type, c.status, c.since) for c in read] == [
        ("Ready", "True", NOON),
        ("Odd", "Unknown", None),
    ]


def test_a_condition_can_be_removed_and_asked_for() -> None:
    some = set_condition((), _ready(conditions.TRUE), NOON)

    assert conditions.is_condition_true(some, conditions.READY)
    assert not conditions.is_condition_true(
        conditions.remove_condition(some, conditions.READY),
        conditions.READY,
    )
