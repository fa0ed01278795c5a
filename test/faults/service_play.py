"""Plays a RayService's scenarios: without faults to learn how they end, then with one fault each.

    plays = await Plays.learn(plane, kube)
    came = await plays.killed("upgrade", KillAfter(7))

Every play has a namespace, a kubelet, Rays and an operator (or two, one after the other's death) of
its own; any number may run at once.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from faults.comparison import State, read_state, state_of
from faults.faults import Fault, Where
from faults.proxy import FaultProxy, a_fault_proxy
from faults.service_guard import Guard
from faults.service_scenarios import SCENARIOS, Scenario
from faults.stopper import Kill
from faults.table import Outcome
from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.operator.documents import JsonObject, decode
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import NAMESPACES, PODS, SERVICES, Resource
from support.control_plane import ControlPlane
from support.dashboard import Disturbance
from support.operator_in_process import Patience, RunningOperator, a_running_operator
from support.service_scene import ServiceScene, a_service_scene

BOUND = timedelta(seconds=90)
"""Within which a play ends like the one without faults; most take 10 s, on a busy machine 40."""
QUIET_SECONDS = 10.0
"""Longer than what a controller puts off (8 s), but for what Ray's gauges make it wait for."""
LULL_SECONDS = 0.4
"""The state is looked at when nothing has changed for a moment."""
LOOK_SECONDS = 3.0
"""Of the kinds that no watch of ours tells of, and of what is put off."""
_WATCHED = (PODS, SERVICES, RAYCLUSTERS, RAYSERVICES)
"""By the kubelet: their changes wake, and their state is known without asking."""
IMPATIENT = Patience(idle=timedelta(seconds=8), timeout=timedelta(seconds=6))
"""For faults that are waited out."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a scenario ends without faults, by which writes, and after how many calls of Rays."""

    state: State
    writes: tuple[str, ...]
    calls: int


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a play; `text` says what was wrong."""

    outcome: Outcome
    text: str = ""


@dataclass(slots=True)
class Life:
    """One operator, and what stands between it and the API server."""

    proxy: FaultProxy
    operator: RunningOperator


@contextlib.asynccontextmanager
async def a_life(
    scene: ServiceScene, patience: Patience | None = None, faults: Iterable[Fault] = ()
) -> AsyncIterator[Life]:
    """Run an operator behind a proxy of its own, until the body ends; `faults` are there first."""
    async with a_fault_proxy(scene.plane) as proxy:
        for fault in faults:
            proxy.inject(fault)
        async with a_running_operator(
            proxy.kubeconfig, scene.namespace, locate=scene.rays.locate, patience=patience
        ) as operator:
            operator.stop_at_once()
            yield Life(proxy, operator)


@dataclass(slots=True)
class Plays:
    """The scenarios, with what is known of their ends."""

    plane: ControlPlane
    kube: Kube
    endings: dict[str, Ending] = field(default_factory=dict)

    @classmethod
    async def learn(cls, plane: ControlPlane, kube: Kube) -> "Plays":
        """Play every scenario without faults."""
        plays = cls(plane, kube)
        known = {name: asyncio.Event() for name in SCENARIOS}

        async def learn(scenario: Scenario) -> None:
            if scenario.after:
                await known[scenario.after].wait()
            plays.endings[scenario.name] = await plays.without_faults(scenario)
            known[scenario.name].set()

        async with asyncio.TaskGroup() as group:
            for scenario in SCENARIOS.values():
                group.create_task(learn(scenario))
        return plays

    async def without_faults(self, scenario: Scenario) -> Ending:
        """Play a scenario, and return how it ended."""
        async with self._scene() as scene, a_life(scene) as life:
            await self._prepare(scene, scenario)
            before, called = len(life.proxy.writes), len(scene.rays.requests)
            await scenario.act(scene)
            async with asyncio.timeout(BOUND.total_seconds()):
                while not await scenario.is_done(scene):  # noqa: ASYNC110 - the API server is asked
                    await asyncio.sleep(LULL_SECONDS)
            calls = len(scene.rays.requests) - called
            await _until_no_write(life)
            writes = tuple(str(write) for write in life.proxy.writes[before:])
            await scene.kubelet.collect_garbage()
            return Ending(await read_state(self.kube, scene.namespace), writes, calls)

    async def killed(self, name: str, kill: Kill) -> Came:
        """Kill the operator around a write, start another one, and compare."""
        scenario = SCENARIOS[name]
        async with self._scene() as scene:
            async with a_life(scene) as life:
                await self._prepare(scene, scenario)
                guard = Guard(scene)
                life.proxy.inject(kill)
                await scenario.act(scene)
                if not await _is_first(kill.died.wait(), self._until_ended(scene, name)):
                    return Came(Outcome.MISSED, "it ended with fewer writes")
                life.operator.die()
            async with a_life(scene) as next_life:
                return await self._compare(scene, name, guard, life, next_life)

    async def faulted(self, name: str, fault: Fault, reopens: Where | None = None) -> Came:
        """Let a fault happen during a scenario; watches that `reopens` chooses are ended first."""
        scenario = SCENARIOS[name]
        async with self._scene() as scene, a_life(scene, IMPATIENT) as life:
            await self._prepare(scene, scenario)
            guard = Guard(scene)
            life.proxy.inject(fault)
            if reopens is not None:
                life.proxy.end_streams(reopens)
            await scenario.act(scene)
            return _of_fault(fault, await self._compare(scene, name, guard, life))

    async def faulted_at_start(
        self, name: str, make: Callable[[JsonObject], Fault], kind: Resource
    ) -> Came:
        """Let a fault happen to an operator that starts after the user acted.

        `make` is given the list of `kind` as it was before.
        """
        scenario = SCENARIOS[name]
        async with self._scene() as scene:
            async with a_life(scene):
                await self._prepare(scene, scenario)
            raw = await self.kube.raw("GET", kind.path(scene.namespace), timeout=BOUND)
            guard = Guard(scene)
            await scenario.act(scene)
            fault = make(decode(raw.body))
            async with a_life(scene, IMPATIENT, (fault,)) as life:
                return _of_fault(fault, await self._compare(scene, name, guard, life))

    async def disturbed(self, name: str, disturbance: Disturbance) -> Came:
        """Let Rays misbehave during a scenario."""
        scenario = SCENARIOS[name]
        async with self._scene() as scene, a_life(scene) as life:
            await self._prepare(scene, scenario)
            guard = Guard(scene)
            scene.rays.disturbance = disturbance
            await scenario.act(scene)
            return _of_fault(disturbance, await self._compare(scene, name, guard, life))

    async def _prepare(self, scene: ServiceScene, scenario: Scenario) -> None:
        """Play what comes before a scenario."""
        if scenario.after:
            before = SCENARIOS[scenario.after]
            await self._prepare(scene, before)
            await before.act(scene)
            await self._until_ended(scene, before.name)

    async def _compare(self, scene: ServiceScene, name: str, guard: Guard, *lives: Life) -> Came:
        wrong = []
        try:
            await self._until_ended(scene, name)
        except AssertionError as error:
            wrong.append(str(error))
        if name == "upgrade":
            guard.check_configs()
        wrong += guard.broken
        if not wrong:
            return Came(Outcome.HELD)
        for number, life in enumerate(lives, start=1):
            writes = "; ".join(map(str, life.proxy.writes)) or "nothing"
            wrong.append(f"operator {number} wrote: {writes}")
        return Came(Outcome.FAILED, "\n".join(wrong))

    async def _until_ended(self, scene: ServiceScene, name: str) -> None:
        """Wait until a scenario has ended as it does without faults.

        Raises:
            AssertionError: it does not, and the text says what is different.
        """
        wanted = self.endings[name].state
        differences = "nothing was read"
        try:
            async with asyncio.timeout(BOUND.total_seconds()):
                while True:
                    await _lull(scene)
                    differences = wanted.only(*_WATCHED).differences(_seen(scene))
                    if not differences:
                        await scene.kubelet.collect_garbage()
                        found = await read_state(self.kube, scene.namespace)
                        differences = wanted.differences(found)
                    if not differences:
                        return
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(scene.changed.wait(), LOOK_SECONDS)
        except TimeoutError:
            raise AssertionError(differences) from None

    @contextlib.asynccontextmanager
    async def _scene(self) -> AsyncIterator[ServiceScene]:
        """A namespace with everything in it but an operator."""
        namespace = f"play-{secrets.token_hex(4)}"
        await self.kube.create(NAMESPACES, {"metadata": {"name": namespace}})
        async with a_service_scene(self.plane, self.kube, namespace) as scene:
            yield scene
        await self.kube.delete(NAMESPACES, Key("", namespace))


def _of_fault(fault: Fault | Disturbance, came: Came) -> Came:
    """A fault that had no chance to act proves nothing."""
    is_missed = came.outcome is Outcome.HELD and not fault.acted
    return Came(Outcome.MISSED, "it had no chance to act") if is_missed else came


async def _until_no_write(life: Life) -> None:
    """Wait until the operator has written nothing for a while."""
    async with asyncio.timeout(BOUND.total_seconds()):
        seen = -1
        while seen != len(life.proxy.writes):
            seen = len(life.proxy.writes)
            await asyncio.sleep(QUIET_SECONDS)


async def _is_first(one: Awaitable[object], other: Awaitable[object]) -> bool:
    """Wait for the first of two, cancel the other, and tell whether it was `one`."""
    tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].done()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _seen(scene: ServiceScene) -> State:
    """Return what the kubelet's caches hold: a look that costs the API server nothing."""
    informers = (scene.kubelet.pods, scene.kubelet.services, *scene.kubelet.owners)
    objects = ((i.resource, view.document) for i in informers for view in i.store.values())
    return state_of(scene.namespace, objects)


async def _lull(scene: ServiceScene) -> None:
    """Wait until nothing has changed for a moment."""
    while True:
        scene.changed.clear()
        try:
            await asyncio.wait_for(scene.changed.wait(), LULL_SECONDS)
        except TimeoutError:
            return
