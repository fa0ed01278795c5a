"""RayServices when the operator dies, the API server fails or Ray misbehaves: all end alike.

Each combination of a scenario and a fault is a play (see `service_play`) whose end is compared with
the end that the scenario has without faults.  They run together, as many as two cores bear.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import pytest

from faults.service_play import Came, Plays
from faults.service_scenarios import SCENARIOS
from faults.stopper import KillAfter, KillBefore
from faults.table import TABLE, Outcome
from ray_operator.operator.kube import Kube
from support.control_plane import ControlPlane

AT_ONCE = 24
"""A play mostly waits: for Ray to be asked again, for a cluster to drain."""


@dataclass(frozen=True, slots=True)
class Combination:
    """One play. `fault` is a row of the table, `which` tells plays of one cell apart."""

    scenario: str
    fault: str
    which: str
    play: Callable[[], Awaitable[Came]]


@pytest.fixture(scope="module")
def learnt() -> dict[str, Plays]:
    """What the first test of the module learnt, for the others."""
    return {}


@pytest.fixture
async def plays(control_plane: ControlPlane, kube: Kube, learnt: dict[str, Plays]) -> Plays:
    if "plays" not in learnt:
        learnt["plays"] = await Plays.learn(control_plane, kube)
    return Plays(control_plane, kube, learnt["plays"].endings)


async def play_all(combinations: Iterable[Combination]) -> None:
    """Play them, enter them in the table, and fail with every one that came out wrong."""
    places = asyncio.Semaphore(AT_ONCE)
    wrong: list[str] = []

    async def play(combination: Combination) -> None:
        async with places:
            came = await combination.play()
        TABLE.record("rayservice", combination.scenario, combination.fault, came.outcome)
        if came.outcome is Outcome.FAILED:
            which = f"{combination.scenario}: {combination.fault} {combination.which}"
            wrong.append(f"{which}\n{came.text}")

    async with asyncio.TaskGroup() as group:
        for combination in combinations:
            group.create_task(play(combination))
    assert not wrong, "\n\n".join([f"{len(wrong)} came out wrong", *wrong])


async def test_an_operator_killed_around_any_write_is_followed_by_one_that_ends_its_work(
    plays: Plays,
) -> None:
    await play_all(
        Combination(
            name,
            f"killed {word} a write",
            f"({number}: {write})",
            lambda name=name, kill=kill, number=number: plays.killed(name, kill(number)),  # type: ignore[misc]
        )
        for name in SCENARIOS
        for number, write in enumerate(plays.endings[name].writes, start=1)
        for word, kill in (("before", KillBefore), ("after", KillAfter))
    )
