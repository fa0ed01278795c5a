"""RayServices when the operator dies, the API server fails or Ray misbehaves: all end alike.

Each combination of a scenario and a fault is a play (see `service_play`) whose end is compared with
the end that the scenario has without faults.  They run together, as many as two cores bear.
"""

import asyncio
import traceback
from collections.abc import Callable, Iterator

import pytest

from faults import service_troubles
from faults.service_play import Came, Plays
from faults.service_troubles import Combination
from faults.table import TABLE, Outcome
from ray_operator.operator.kube import Kube
from support.control_plane import ControlPlane

AT_ONCE = 32
"""A play mostly waits: for Ray to be asked again, for a cluster to drain."""

SECONDS = 1800
"""A bound, not an expectation: a family takes a minute or two on two idle cores."""

Family = Callable[[Plays], Iterator[Combination]]


@pytest.fixture(scope="module")
def learnt() -> dict[str, Plays]:
    """What the first test of the module learnt, for the others."""
    return {}


@pytest.fixture
async def plays(control_plane: ControlPlane, kube: Kube, learnt: dict[str, Plays]) -> Plays:
    if "plays" not in learnt:
        learnt["plays"] = await Plays.learn(control_plane, kube)
    return Plays(control_plane, kube, learnt["plays"].endings)


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize(
    "family",
    [
        service_troubles.kills,
        service_troubles.requests,
        service_troubles.streams,
        service_troubles.starts,
        service_troubles.dashboards,
    ],
    ids=lambda family: family.__name__,
)
async def test_the_end_is_the_same(
    plays: Plays, family: Family, request: pytest.FixtureRequest
) -> None:
    only = request.config.getoption("--combination", default="")
    chosen = [each for each in family(plays) if only in str(each)]
    places = asyncio.Semaphore(AT_ONCE)
    wrong: list[str] = []

    async def play(combination: Combination) -> None:
        async with places:
            came = await _play(combination)
        TABLE.record("rayservice", combination.scenario, combination.fault, came.outcome)
        if came.outcome is Outcome.FAILED:
            wrong.append(f"--- {combination}\n{came.text}")

    await asyncio.gather(*(play(each) for each in chosen))
    assert not wrong, "\n\n".join([f"{len(wrong)} of {len(chosen)} came out wrong", *wrong])


async def _play(combination: Combination) -> Came:
    try:
        return await combination.play()
    except Exception:  # noqa: BLE001 - whatever it is, the other combinations go on
        return Came(Outcome.FAILED, traceback.format_exc())
