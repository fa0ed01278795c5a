"""Durations as Go and people write them; times as the API server does."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ray_operator.api.times import format_time, parse_duration, parse_time


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("30m", timedelta(minutes=30)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5s", timedelta(seconds=1.5)),
        (".5h", timedelta(minutes=30)),
        ("1h1m1s1ms", timedelta(hours=1, minutes=1, seconds=1, milliseconds=1)),
        ("250us", timedelta(microseconds=250)),
        ("90", timedelta(seconds=90)),
        ("0", timedelta(0)),
        (" 30s ", timedelta(seconds=30)),
        ("", None),
        ("-5m", None),
        ("soon", None),
        ("5 m", None),
        ("1.5", None),
        ("5m soon", None),
        ("9999999999h", None),
        ("9" * 5000, None),
    ],
)
def test_a_duration_is_read_as_go_reads_it_or_refused(text: str, want: timedelta | None) -> None:
    assert parse_duration(text) == want


def test_a_time_is_written_in_utc_with_whole_seconds() -> None:
    time = datetime(2026, 1, 1, 13, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=1)))

    assert format_time(time) == "2026-01-01T12:00:00Z"


def test_a_time_is_read_with_any_offset_and_fraction() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    assert parse_time("2026-01-01T12:00:00Z") == noon
    assert parse_time("2026-01-01T13:00:00+01:00") == noon
    assert parse_time("2026-01-01T12:00:00.123456789Z") == noon.replace(microsecond=123456)
    assert parse_time("never") is None
