"""A random walk of hypothesis over specs and faults, on a real API server.

A walk goes through several namespaces at once, because most of its time is waiting.  Now and then,
and at its end, the faults are lifted, and everything must become what was asked for.  What happens
depends on timing, so that hypothesis can't promise to find a failure again: each walk keeps its
steps, and tells them when it fails.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from faults.faults import (
    BareStatus,
    CutAnswer,
    CutInMidChunk,
    CutRequest,
    Delay,
    EmptyStream,
    ErrorEvent,
    Fault,
    Garbage,
    HiddenEvent,
    Lag,
    LostAnswer,
    LostRequest,
    OldEventsAgain,
    Refusal,
    RefusalAfterwards,
    RepeatEvents,
    Silence,
    SmallPieces,
    on,
    on_first_list,
    on_watch_from,
    on_writes,
)
from faults.random_walk_lane import BOUND, FIRST_VERSION, ClusterModel, Lane, ServiceModel, a_lane
from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.resources import ENDPOINTSLICES, PODS, SERVICES
from support.control_plane import ControlPlane

T = TypeVar("T")

LANES = 6
CHANCES = 9
SETTLED = "everything is as asked for"
_WATCHED = tuple(r.plural for r in (RAYSERVICES, RAYCLUSTERS, PODS, SERVICES, ENDPOINTSLICES))

lanes = st.integers(0, LANES - 1)
names = st.sampled_from(["a", "b"])
pauses = st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.05, 0.3, 1.0])
"""Seconds between two steps: so that some meet what the one before has begun."""
kinds = st.sampled_from(_WATCHED)
counts = st.integers(0, 4)

STREAM_FAULTS: tuple[Callable[[str], Fault], ...] = (
    lambda kind: Silence(on("watch", kind)),
    lambda kind: CutInMidChunk(on("watch", kind)),
    lambda kind: Garbage(on("watch", kind)),
    lambda kind: ErrorEvent(on("watch", kind)),
    lambda kind: BareStatus(on("watch", kind)),
    lambda kind: HiddenEvent(on("watch", kind), types=("ADDED",)),
    lambda kind: HiddenEvent(on("watch", kind), types=("MODIFIED",)),
    lambda kind: HiddenEvent(on("watch", kind), types=("DELETED",)),
    lambda kind: RepeatEvents(on("watch", kind)),
    lambda kind: OldEventsAgain(on("watch", kind)),
    lambda kind: Lag(on("watch", kind)),
    lambda kind: SmallPieces(on("watch", kind)),
    lambda kind: EmptyStream(on_watch_from(kind)),
    lambda kind: Refusal(410, on_watch_from(kind), times=2),
)
WRITE_FAULTS: tuple[Callable[[int], Fault], ...] = (
    lambda times: Refusal(429, on_writes, times=times, retry_after_seconds=1),
    lambda times: Refusal(500, on_writes, times=times),
    lambda times: Refusal(401, on_writes, times=times),
    lambda times: RefusalAfterwards(on_writes, times=times),
    lambda times: LostRequest(on_writes, times=times),
    lambda times: LostAnswer(on_writes, times=times),
    lambda times: CutRequest(on_writes, times=times),
    lambda times: CutAnswer(on_writes, times=times),
    lambda times: Delay(on_writes, times=times),
)
START_FAULTS: tuple[Callable[[str], Fault], ...] = (
    lambda kind: Refusal(410, on_first_list(kind)),
    lambda kind: Refusal(500, on_first_list(kind), times=2),
    lambda kind: LostRequest(on_first_list(kind)),
    lambda kind: CutRequest(on_first_list(kind)),
    lambda kind: EmptyStream(on_first_list(kind)),
)


class RandomWalk(RuleBasedStateMachine):
    """The walk. `until` is the monotonic time from which on no step is taken."""

    def __init__(self, plane: ControlPlane, until: float, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._plane = plane
        self._until = until
        self._tell = tell
        self._runner = asyncio.Runner()
        self._stack = contextlib.AsyncExitStack()
        self._lanes: list[Lane] = []
        self._steps: list[str] = []
        self._has_failed = False

    # --- what a user does ---------------------------------------------------------------------
    @initialize()
    def begin(self) -> None:
        self._run(self._begin())

    @rule(lane=lanes, name=names, pause=pauses)
    def create_or_delete_cluster(self, lane: int, name: str, pause: float) -> None:
        on_it = self._lanes[lane]
        if name in on_it.clusters:
            self._step(f"lane {lane}: delete RayCluster {name}", on_it.delete_cluster(name), pause)
        else:
            self._step(f"lane {lane}: create RayCluster {name}", on_it.create_cluster(name), pause)

    @rule(lane=lanes, name=names, group=st.sampled_from(["small", "large"]), n=counts, pause=pauses)
    def scale_or_add_group(self, lane: int, name: str, group: str, n: int, pause: float) -> None:
        def edit(model: ClusterModel) -> str:
            model.groups[group] = n
            return f"{group} to {n}"

        self._edit_cluster(lane, name, edit, pause)

    @rule(lane=lanes, name=names, group=st.sampled_from(["small", "large"]), pause=pauses)
    def remove_group(self, lane: int, name: str, group: str, pause: float) -> None:
        def edit(model: ClusterModel) -> str:
            return f"without {group}" if model.groups.pop(group, None) is not None else ""

        self._edit_cluster(lane, name, edit, pause)

    @rule(lane=lanes, name=names, pause=pauses)
    def suspend_or_resume_cluster(self, lane: int, name: str, pause: float) -> None:
        def edit(model: ClusterModel) -> str:
            model.is_suspended = not model.is_suspended
            return "suspended" if model.is_suspended else "resumed"

        self._edit_cluster(lane, name, edit, pause)

    @rule(lane=lanes, pause=pauses)
    def create_service(self, lane: int, pause: float) -> None:
        on_it = self._lanes[lane]
        if on_it.service is None:
            self._step(f"lane {lane}: create the RayService", on_it.create_service(), pause)

    @rule(lane=lanes, is_sure=st.integers(0, 2), pause=pauses)
    def delete_service(self, lane: int, is_sure: int, pause: float) -> None:
        on_it = self._lanes[lane]
        if on_it.service is not None and not is_sure:
            self._step(f"lane {lane}: delete the RayService", on_it.delete_service(), pause)

    @rule(lane=lanes, version=st.integers(FIRST_VERSION, FIRST_VERSION + 2), pause=pauses)
    def upgrade_service(self, lane: int, version: int, pause: float) -> None:
        def edit(model: ServiceModel) -> str:
            model.version = version
            return f"Ray 2.{version}"

        self._edit_service(lane, edit, pause)

    @rule(lane=lanes, price=st.integers(3, 6), pause=pauses)
    def change_price(self, lane: int, price: int, pause: float) -> None:
        def edit(model: ServiceModel) -> str:
            model.price = price
            return f"price {price}"

        self._edit_service(lane, edit, pause)

    @rule(lane=lanes, pause=pauses)
    def suspend_or_resume_service(self, lane: int, pause: float) -> None:
        def edit(model: ServiceModel) -> str:
            model.is_suspended = not model.is_suspended
            return "suspended" if model.is_suspended else "resumed"

        self._edit_service(lane, edit, pause)

    # --- what goes wrong ----------------------------------------------------------------------
    @rule(lane=lanes, nth=st.integers(0, 9), pause=pauses)
    def lose_pod(self, lane: int, nth: int, pause: float) -> None:
        self._step(f"lane {lane}: lose pod {nth}", self._lanes[lane].delete_pod(nth), pause)

    @rule(lane=lanes, pause=pauses)
    def kill_operator(self, lane: int, pause: float) -> None:
        self._step(f"lane {lane}: kill the operator, start another", self._restart(lane), pause)

    @rule(lane=lanes, fault=st.sampled_from(START_FAULTS), kind=kinds, pause=pauses)
    def kill_operator_and_disturb_the_next(
        self, lane: int, fault: Callable[[str], Fault], kind: str, pause: float
    ) -> None:
        made = fault(kind)
        text = f"lane {lane}: kill the operator; to the next, the API server {made} ({kind})"
        self._step(text, self._restart(lane, made), pause)

    @rule(lane=lanes, fault=st.sampled_from(STREAM_FAULTS), kind=kinds, pause=pauses)
    def disturb_watch(
        self, lane: int, fault: Callable[[str], Fault], kind: str, pause: float
    ) -> None:
        self._inject(lane, fault(kind), kind, pause)

    @rule(
        lane=lanes, fault=st.sampled_from(WRITE_FAULTS), times=st.sampled_from([1, 3]), pause=pauses
    )
    def disturb_writes(
        self, lane: int, fault: Callable[[int], Fault], times: int, pause: float
    ) -> None:
        self._inject(lane, fault(times), "writes", pause)

    # --- what must come of it -----------------------------------------------------------------
    @rule(chance=st.integers(0, CHANCES))
    def settle(self, chance: int) -> None:
        """Rarely, because it takes as long as many steps."""
        is_due = chance == CHANCES and self._steps and self._steps[-1] != SETTLED
        if is_due and not self._is_over:
            self._settle()

    def teardown(self) -> None:
        try:
            if self._lanes and not self._has_failed:
                self._settle()
        finally:
            self._run(self._stack.aclose())
            self._runner.close()
            self._tell(f"{len(self._steps)} steps through {len(self._lanes)} namespaces")

    # --- how ----------------------------------------------------------------------------------
    @property
    def _is_over(self) -> bool:
        return time.monotonic() > self._until

    async def _begin(self) -> None:
        options = KubeOptions(kubeconfig=self._plane.kubeconfig)
        kube = await Kube.connect(options, SystemClock())
        self._stack.push_async_callback(kube.close)
        entered = [self._stack.enter_async_context(a_lane(self._plane, kube)) for _ in range(LANES)]
        self._lanes = list(await asyncio.gather(*entered))
        # Hypothesis leaves out some rules in each walk: the others shall have something to act on.
        await asyncio.gather(*(lane.create_cluster("a") for lane in self._lanes))
        await asyncio.gather(*(lane.create_service() for lane in self._lanes))

    async def _restart(self, lane: int, *faults: Fault) -> None:
        await self._lanes[lane].kill()
        await self._lanes[lane].start(*faults)

    def _inject(self, lane: int, fault: Fault, where: str, pause: float) -> None:
        async def inject() -> None:
            self._lanes[lane].inject(fault)

        self._step(f"lane {lane}: the API server {fault} ({where})", inject(), pause)

    def _edit_cluster(
        self, lane: int, name: str, edit: Callable[[ClusterModel], str], pause: float
    ) -> None:
        on_it = self._lanes[lane]
        if self._is_over:
            return
        if name in on_it.clusters and (what := edit(on_it.clusters[name])):
            text = f"lane {lane}: RayCluster {name}: {what}"
            self._step(text, on_it.edit_cluster(name), pause)

    def _edit_service(self, lane: int, edit: Callable[[ServiceModel], str], pause: float) -> None:
        on_it = self._lanes[lane]
        if self._is_over:
            return
        if on_it.service is not None and (what := edit(on_it.service)):
            self._step(f"lane {lane}: the RayService: {what}", on_it.edit_service(), pause)

    def _step(self, text: str, act: Coroutine[object, object, object], pause: float) -> None:
        """Do one step, unless time is over."""
        if self._is_over:
            act.close()
            return
        self._steps.append(f"{text}, then wait {pause} s")
        self._run(act)
        self._run(asyncio.sleep(pause))

    def _settle(self) -> None:
        self._run(self._until_as_asked())
        self._steps.append(SETTLED)

    async def _until_as_asked(self) -> None:
        for lane in self._lanes:
            lane.lift_faults()
        found = await asyncio.gather(
            *(lane.until_as_asked() for lane in self._lanes), return_exceptions=True
        )
        wrong = [f"lane {n}: {text}" for n, text in enumerate(found) if text is not None]
        if wrong:
            self._has_failed = True
            raise AssertionError("\n".join([*wrong, "", "the steps:", *self._steps]))

    def _run(self, work: Coroutine[object, object, T]) -> T:
        return self._runner.run(_bounded(work))


async def _bounded(work: Coroutine[object, object, T]) -> T:
    async with asyncio.timeout(2 * BOUND.total_seconds()):
        return await work
