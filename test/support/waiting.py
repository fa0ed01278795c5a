"""Waiting for what a cluster will show sooner or later: for conditions, never for times."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

PATIENCE = timedelta(minutes=5)
"""Many times what anything here takes on an idle machine: a busy one must not fail a test."""
BETWEEN_LOOKS = timedelta(seconds=1)
"""A look starts a kubectl, which costs a tenth of a second of CPU that the pods need, too."""

T = TypeVar("T")


class NotYet(Exception):  # noqa: N818 - it is no error: it is an answer, "ask again"
    """What was looked at is not what is waited for; the text says what it was."""


def expect(holds: object, seen: object) -> None:
    """Go on if `holds`.

    Raises:
        NotYet: it does not, and `seen` is what was seen instead.
    """
    if not holds:
        raise NotYet(str(seen))


def wait_until(what: str, probe: Callable[[], T], patience: timedelta = PATIENCE) -> T:
    """Look again and again until `probe` does not raise `NotYet`, and return what it returned.

    A cluster tells of its objects by watches, but not of a request that is answered at last; so
    this looks once a second, at both alike.

    Raises:
        AssertionError: patience is at an end; the text names `what` and what was seen last.
    """
    end = time.monotonic() + patience.total_seconds()
    while True:
        try:
            return probe()
        except NotYet as answer:
            seen = answer
        if time.monotonic() >= end:
            raise AssertionError(f"not within {patience}: {what}; last seen: {seen}")
        time.sleep(BETWEEN_LOOKS.total_seconds())
