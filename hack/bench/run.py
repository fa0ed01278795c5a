"""One run: which scenario goes on which control plane, in which order.

The floor and the operator get a control plane each, the same programs started afresh: neither meets
the other's garbage, and both begin with the same few clusters to warm up.  What needs many clusters
at rest comes last on the operator's plane with the most.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from hack.bench import baseline, scenarios
from hack.bench.floor import Recorded
from hack.bench.measurement import Result
from hack.bench.plane import a_plane
from hack.bench.scene import Scene, a_scene
from hack.bench.subject import Subject, a_subject
from hack.bench.targets import Results
from hack.cluster.binaries import ControlPlane
from hack.cluster.progress import Progress

ALL = ("burst", "scale", "large-burst", "churn", "rest", "restart", "delete")
WITH_FLOOR = frozenset({"burst", "scale", "large-burst"})
LASTING = ("churn", "rest", "restart", "delete")


@dataclass(frozen=True, slots=True)
class Order:
    """What to measure, and how much of it."""

    scenarios: frozenset[str] = frozenset(ALL)
    small_count: int = 100
    """RayClusters of the scenario `burst`."""
    large_count: int = 1000
    """RayClusters of `large-burst`, and of all that comes after."""
    workers: int = 500
    rest_seconds: float = 120.0
    has_floor: bool = True


@dataclass(slots=True)
class Run:
    """One run under way; results appear as they come."""

    order: Order
    programs: ControlPlane
    kwok: Path
    progress: Progress
    operator: dict[str, Result] = field(default_factory=dict)
    floor: dict[str, Result] = field(default_factory=dict)

    @property
    def results(self) -> Results:
        """What there is so far."""
        return Results(self.operator, self.floor)

    async def all(self) -> None:
        """Everything that was ordered."""
        recorded = await self._floor_of_small()
        wants_large = "large-burst" in self.order.scenarios
        if self._wants("burst", "scale") or not wants_large:
            await self._operator_with_few(lasting=not wants_large)
        if wants_large:
            await self._floor_of_large(recorded)
            await self._operator_with_many()

    async def _floor_of_small(self) -> Recorded | None:
        if not (self.order.has_floor and self.order.scenarios & WITH_FLOOR):
            return None
        async with self._scene("the floor") as scene:
            with self.progress.stage("Record what the operator creates"):
                recorded = await baseline.record(scene)
            await baseline.warm_up(scene, recorded)
            if self._wants("burst"):
                count = self.order.small_count
                with self.progress.stage(f"Floor: {count:,} clusters"):
                    self.floor["burst"] = await baseline.burst(scene, recorded, count, "burst")
            if self._wants("scale"):
                with self.progress.stage(f"Floor: 1 to {self.order.workers} workers"):
                    self.floor["scale"] = await baseline.scale(scene, recorded, self.order.workers)
        return recorded

    async def _floor_of_large(self, recorded: Recorded | None) -> None:
        if recorded is None:
            return
        count = self.order.large_count
        async with self._scene("the floor, again") as scene:
            await baseline.warm_up(scene, recorded)
            with self.progress.stage(f"Floor: {count:,} clusters"):
                self.floor["large-burst"] = await baseline.burst(
                    scene, recorded, count, "large-burst"
                )

    async def _operator_with_few(self, *, lasting: bool) -> None:
        async with self._scene("the operator") as scene, self._subject(scene) as subject:
            if self._wants("burst") or lasting:
                await self._burst(scene, subject, "burst", self.order.small_count)
            if self._wants("scale"):
                with self.progress.stage(f"1 to {self.order.workers} workers"):
                    self._keep(await scenarios.scale(scene, subject, self.order.workers))
            if lasting:
                await self._lasting(scene, subject)

    async def _operator_with_many(self) -> None:
        async with self._scene("the operator, again") as scene, self._subject(scene) as subject:
            await self._burst(scene, subject, "large-burst", self.order.large_count)
            await self._lasting(scene, subject)

    async def _burst(self, scene: Scene, subject: Subject, name: str, count: int) -> None:
        with self.progress.stage(f"{count:,} clusters"):
            self._keep(await scenarios.burst(scene, subject, count, name))

    async def _lasting(self, scene: Scene, subject: Subject) -> None:
        if self._wants("churn"):
            with self.progress.stage("A pod of each cluster deleted"):
                self._keep(await scenarios.churn(scene, subject))
        if self._wants("rest"):
            with self.progress.stage(f"{self.order.rest_seconds:.0f} s at rest"):
                self._keep(await scenarios.rest(scene, subject, self.order.rest_seconds))
        if self._wants("restart"):
            with self.progress.stage("Restart after a graceful stop"):
                self._keep(await scenarios.restart(scene, subject, graceful=True))
            with self.progress.stage("Restart of a killed container"):
                self._keep(await scenarios.restart(scene, subject, graceful=False))
        if self._wants("delete"):
            with self.progress.stage("All clusters deleted"):
                self._keep(await scenarios.delete(scene, subject))

    @contextlib.asynccontextmanager
    async def _scene(self, purpose: str) -> AsyncIterator[Scene]:
        async with contextlib.AsyncExitStack() as stack:
            with self.progress.stage(f"Start a control plane for {purpose}"):
                plane = await stack.enter_async_context(a_plane(self.programs, self.kwok))
                scene = await stack.enter_async_context(a_scene(plane))
            yield scene

    @contextlib.asynccontextmanager
    async def _subject(self, scene: Scene) -> AsyncIterator[Subject]:
        with a_subject(scene.plane) as subject:
            with self.progress.stage("Start the operator, warm up"):
                self._keep(await scenarios.idle(scene, subject))
                await scenarios.warm_up(scene)
            yield subject

    def _keep(self, result: Result) -> None:
        self.operator[result.scenario] = result

    def _wants(self, *names: str) -> bool:
        return bool(self.order.scenarios & {*names})
