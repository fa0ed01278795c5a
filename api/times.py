"""Times and durations as they are written in manifests.

Times are RFC 3339 in UTC with whole seconds (`metav1.Time`).  Durations are Go's (`1h30m`,
`1.5s`) or bare integer seconds, because users of the peer write both in annotations.
"""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction

_UNIT_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # the micro sign, as Go prints it
    "μs": 10**3,  # the Greek letter, which Go reads too
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_DURATION = re.compile(rf"(?:{_PART})+")
_INTEGER = re.compile(r"\d+")
_LONGEST_DURATION = timedelta(microseconds=(2**63 - 1) // 1000)
"""Go's limit, about 292 years: longer texts are no durations there either."""


def format_time(time: datetime) -> str:
    """Write `2026-01-01T00:00:00Z`; fractions of a second are cut off."""
    # A tenth of what strftime costs: a pass over one object writes ten times.
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def parse_time(text: str) -> datetime | None:
    """Read an RFC 3339 time with any offset; `None` if the text is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


_LONGEST_TEXT = 100
"""Characters; far more than the longest duration needs, and few enough to be read as numbers."""


def parse_duration(text: str) -> timedelta | None:
    """Read `30m`, `1h30m`, `1.5s` or integer seconds; `None` if the text is neither.

    Signs are not accepted: every duration that we read is a time-out.
    """
    text = text.strip()
    if len(text) > _LONGEST_TEXT:
        return None
    if _INTEGER.fullmatch(text):
        return _bounded(Fraction(int(text) * 10**9))
    if not _DURATION.fullmatch(text):
        return None
    parts = re.findall(_PART, text)
    return _bounded(sum((Fraction(n) * _UNIT_NANOSECONDS[unit] for n, unit in parts), Fraction(0)))


def _bounded(nanoseconds: Fraction) -> timedelta | None:
    microseconds = int(nanoseconds // 1000)
    if microseconds > _LONGEST_DURATION // timedelta(microseconds=1):
        return None
    return timedelta(microseconds=microseconds)
