"""The random walk: short, the same steps each time in `make test`; long, others in `make soak`.

What the steps meet depends on timing, so that the same steps are not quite the same walk.
"""

import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from faults.random_walk import RandomWalk
from support.control_plane import ControlPlane

Tell = Callable[[str], None]

WALKS = 3
SHORT = timedelta(seconds=15)
"""Of steps; that everything settles at the end comes on top."""
SHORT_SEED = 4
LONGEST = timedelta(minutes=1)
"""Of one walk of a soak: a failure tells all its steps, and a person is to read them."""
SIMPLEST = timedelta(seconds=2)
"""Hypothesis begins with the simplest walk that there is: the same step again and again."""
STEPS = 150


@pytest.fixture
def tell(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Writes to the terminal while the test runs."""

    def line(text: str) -> None:
        with capsys.disabled():
            request.config.get_terminal_writer().line(f"\n{text}")

    return line


def walk(plane: ControlPlane, number: int, duration: timedelta, tell: Tell) -> None:
    """Walk for so long, by the seed `number`.

    Raises:
        AssertionError: something did not become what was asked for; the text tells the steps.
    """
    walks = count()

    @seed(number)
    def begin() -> RandomWalk:
        chosen = duration if next(walks) else min(SIMPLEST, duration)
        return RandomWalk(plane, time.monotonic() + chosen.total_seconds(), tell)

    told = settings(
        max_examples=1 + WALKS,
        stateful_step_count=STEPS,
        deadline=None,  # a step takes what it takes
        suppress_health_check=list(HealthCheck),  # same
        database=None,
        phases=(Phase.generate,),  # to shrink a walk takes hours, and timing spoils it
        report_multiple_bugs=False,
        print_blob=False,
    )
    run_state_machine_as_test(begin, settings=told)  # type: ignore[arg-type]  # a function will do


def test_whatever_happens_everything_becomes_what_was_asked_for(
    control_plane: ControlPlane, tell: Tell
) -> None:
    walk(control_plane, SHORT_SEED, SHORT, tell)


@pytest.mark.soak
def test_whatever_happens_for_long(
    control_plane: ControlPlane, tell: Tell, pytestconfig: pytest.Config
) -> None:
    minutes, given = pytestconfig.getoption("--minutes"), pytestconfig.getoption("--seed")
    end = time.monotonic() + minutes * 60
    while (rest := timedelta(seconds=end - time.monotonic())) > timedelta():
        number = secrets.randbelow(2**32) if given is None else given
        tell(f"walks by the seed {number}; again: make soak MINUTES={minutes} SEED={number}")
        walk(control_plane, number, min(rest / WALKS, LONGEST), tell)
