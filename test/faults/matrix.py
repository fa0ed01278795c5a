"""Goes through every scenario with every trouble, many at once, and tells what did not hold."""

import asyncio
import gc
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from faults.comparison import State
from faults.exchange import Asked
from faults.scenarios import Scenario
from faults.table import TABLE, Outcome
from faults.troubles import Family, Trouble
from faults.world import World, a_world
from ray_operator.operator.kube import Kube
from support.control_plane import ControlPlane

AT_ONCE = 32
"""Worlds at once: they wait for time-outs most of the time, and two cores are busy at that."""
QUIET = timedelta(seconds=10)
"""Longer than what a controller may put off: 8 s for a cluster's progress."""
FROZEN = 50
"""Each operator that starts freezes what is there, as one in a process of its own should; after so
many worlds the dead ones are given back, lest memory grow to gigabytes."""
CONTROLLER = "raycluster"


@dataclass(frozen=True, slots=True)
class Quiet:
    """How a scenario goes without faults: how many writes it takes, and how it ends."""

    asked: tuple[Asked, ...]
    """What the operator asked from the act on, in order."""
    end: State


@dataclass
class Matrix:
    """Runs rows: a scenario with one family of troubles.

    `only` chooses troubles by a piece of their text, to run one combination again.
    """

    plane: ControlPlane
    kube: Kube
    only: str = ""
    _worlds: int = 0
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _quiet: dict[str, asyncio.Task[Quiet]] = field(default_factory=dict)
    _rows: dict[tuple[str, Family], asyncio.Task[list[str]]] = field(default_factory=dict)

    def begin(self, scenario: Scenario, family: Family) -> None:
        """Begin a row, so that rows wait beside each other."""
        if scenario.name not in self._quiet:
            quiet = asyncio.create_task(self._go_quietly(scenario), name=f"quiet {scenario.name}")
            self._quiet[scenario.name] = quiet
        row = asyncio.create_task(self._row(scenario, family), name=f"row {scenario.name}")
        self._rows[(scenario.name, family)] = row

    async def failures(self, scenario: Scenario, family: Family) -> list[str]:
        """Return what did not hold in a row, one text a combination."""
        return await self._rows[(scenario.name, family)]

    async def stop(self) -> None:
        """End what still runs."""
        tasks = (*self._rows.values(), *self._quiet.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- a row

    async def _row(self, scenario: Scenario, family: Family) -> list[str]:
        quiet = await asyncio.shield(self._quiet[scenario.name])
        chosen = [each for each in family(quiet.asked) if self.only in str(each)]
        found = await asyncio.gather(*(self._try(scenario, each, quiet.end) for each in chosen))
        return [text for text in found if text]

    async def _go_quietly(self, scenario: Scenario) -> Quiet:
        async with self._room, a_world(self.plane, self.kube) as world:
            await world.start_and_watch()
            await scenario.prepare(world)
            before = len(world.proxy.asked)
            await scenario.act(world)
            end = await world.until_at_rest(QUIET)
            assert not (problems := [*_problems(world), *end.orphans, *end.ending]), problems
            return Quiet(tuple(world.proxy.asked[before:]), end)

    async def _try(self, scenario: Scenario, trouble: Trouble, end: State) -> str:
        """Go through one combination; return what did not hold."""
        async with self._room:
            self._worlds += 1
            if self._worlds % FROZEN == 0:
                gc.unfreeze()
            acted, problems = await self._go(scenario, trouble, end)
        outcome = Outcome.HELD if acted else Outcome.MISSED
        if problems:
            outcome = Outcome.FAILED
        TABLE.record(CONTROLLER, scenario.name, trouble.fault, outcome)
        return "\n".join([f"--- {scenario.name}: {trouble}", *problems]) if problems else ""

    async def _go(self, scenario: Scenario, trouble: Trouble, end: State) -> tuple[bool, list[str]]:
        try:
            async with a_world(self.plane, self.kube) as world:
                try:
                    acted = await trouble.go(scenario, world, end)
                except AssertionError as error:
                    return True, [str(error), *_problems(world), *_tale(world)]
                problems = list(_problems(world))
                return acted, [*problems, *_tale(world)] if problems else []
        except Exception:  # noqa: BLE001 - whatever it is, the other combinations go on
            return True, [traceback.format_exc()]


def _problems(world: World) -> Iterator[str]:
    yield from world.guard.violations


def _tale(world: World) -> Iterator[str]:
    """Tell what each operator wrote."""
    for number, life in enumerate(world.lives, start=1):
        yield f"operator {number} wrote: {'; '.join(map(str, life.proxy.writes)) or 'nothing'}"
