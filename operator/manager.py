"""Start and stop: two ordered lists, in which each place has its reason.

Start
1. events and heartbeat, so that nothing that follows goes untold;
2. informers, because a reconcile over an empty cache would make everything anew;
3. wait until each cache is filled, or known not to be fillable (no permission, no such API:
   that feature is off, the rest works); without a permission that is essential, go on waiting;
4. background tasks of the controllers (dashboards), which put keys on queues;
5. workers.

Stop
1. queues: no more keys are handed out, those in work are finished, for 25 s at most;
2. events, so that what was done last is told, too;
3. background tasks and informers, which the last reconciles still read.
The Lease is released by whoever acquired it, after that: nothing must be written without it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from ray_operator.operator import metrics
from ray_operator.operator.clock import Clock
from ray_operator.operator.controller import Controller, Reconciler
from ray_operator.operator.documents import JsonObject
from ray_operator.operator.events import EventWriter
from ray_operator.operator.executor import Executor
from ray_operator.operator.expectations import Expectations
from ray_operator.operator.health import Health
from ray_operator.operator.informer import Informer, Unreadable
from ray_operator.operator.kube import Kube
from ray_operator.operator.logs import Logger
from ray_operator.operator.notes import Note
from ray_operator.operator.parts import Parts
from ray_operator.operator.reflector import IDLE
from ray_operator.operator.resources import Resource
from ray_operator.operator.settings import Settings
from ray_operator.operator.statuses import StatusWriter
from ray_operator.operator.store import Indexer, View
from ray_operator.operator.supervisor import Supervisor
from ray_operator.operator.workqueue import WorkQueue

log = Logger(__name__)

V = TypeVar("V", bound=View)

FINISH = timedelta(seconds=25)
"""The Deployment's grace is 30 s; the Lease and the events need the rest."""

FLUSH = timedelta(seconds=2)


class Manager:
    """The parts of one process that leads. Declare first, then `start`, at last `stop`.

    Args:
        kube: the API server.
        settings: the configuration.
        clock: measures.
        idle: how long a watch may be silent before it is given up; tests have less patience.
        when_filled: called once, when the caches are filled and before the first reconcile.
    """

    def __init__(
        self,
        kube: Kube,
        settings: Settings,
        clock: Clock,
        *,
        idle: timedelta = IDLE,
        when_filled: Callable[[], None] = lambda: None,
    ) -> None:
        self.previous_renewal: datetime | None = None
        """When an operator was last at work before this one; known once this one leads."""
        self._kube = kube
        self._idle = idle
        self._when_filled = when_filled
        self._settings = settings
        self._clock = clock
        self._supervisor = Supervisor(clock)
        self._informers: list[Informer[View]] = []
        self._controllers: list[Controller] = []
        self._background: dict[str, Callable[[], Awaitable[None]]] = {}
        self._workers: asyncio.Task[None] | None = None
        self._events = EventWriter(kube, clock, settings.identity or "ray-operator")
        self.health = Health(clock, self._supervisor, lambda: tuple(self._informers))
        expectations = Expectations(clock)
        self.parts = Parts(
            kube=kube,
            clock=clock,
            settings=settings,
            executor=Executor(kube, expectations),
            expectations=expectations,
            statuses=StatusWriter(kube, clock),
            recorder=self._events.recorder,
            start_background=self._background.__setitem__,
            previous_renewal=lambda: self.previous_renewal,
        )

    # -- declaring

    def watch(
        self,
        resource: Resource,
        project: Callable[[JsonObject], V],
        *,
        selector: str = "",
        indexes: Mapping[str, Indexer[V]] | None = None,
        is_essential: bool = False,
    ) -> Informer[V]:
        """Return an informer for the namespaces that the process serves; `start` runs it.

        Nothing is reconciled before the caches of the essential kinds are filled.
        """
        informer = Informer(
            self._kube,
            resource,
            project,
            selector=selector,
            namespaces=self._settings.watch_namespaces,
            indexes=indexes,
            clock=self._clock,
            is_essential=is_essential,
            idle=self._idle,
        )
        informer.on_unreadable(self._report_unreadable)
        # The manager only asks for state, so that the kind of view does not matter here.
        self._informers.append(informer)  # type: ignore[arg-type]
        metrics.WATCH_AGE_SECONDS.labels(str(resource)).set_function(
            lambda: informer.age / timedelta(seconds=1)
        )
        metrics.WATCH_UNAVAILABLE.labels(str(resource)).set_function(lambda: informer.is_refused)
        return informer

    def _report_unreadable(self, found: Unreadable) -> None:
        """Tell it on the object, where whoever wrote it will look."""
        text = f"this object can't be read; what was read of it before stays in use: {found.error}"
        note = Note("Warning", "Unreadable", "Validate", text)
        self._events.add("ray-operator", found.ref, note)

    def queue(self, name: str) -> WorkQueue:
        """Return a new queue for the controller `name`."""
        return WorkQueue(name, self._clock, workers=self._settings.reconcile_concurrency)

    def control(self, reconciler: Reconciler, queue: WorkQueue) -> None:
        """Let `reconciler` work on the keys of `queue`, which gives the controller its name."""
        self._controllers.append(
            Controller(
                queue.name,
                reconciler,
                queue,
                workers=self._settings.reconcile_concurrency,
                clock=self._clock,
            )
        )

    # -- living

    async def run(self) -> None:
        """Go to work, and work until `stop`; cancelling ends the waiting, not the work.

        Raises:
            Exception: a worker died of a bug.
        """
        await self.start()
        if self._workers is not None:
            await asyncio.shield(self._workers)

    async def start(self) -> None:
        """Go to work; return when the workers have begun."""
        self._supervisor.start("events", self._events.run)
        for number, informer in enumerate(self._informers):
            self._supervisor.start(f"informer {number} {informer.resource}", informer.run)
        self.health.is_working = True
        await asyncio.gather(*(informer.wait_until_settled() for informer in self._informers))
        missing = [str(i.resource) for i in self._informers if i.is_unavailable]
        log.info("the caches are filled", kinds=len(self._informers), unavailable=missing)
        self._when_filled()
        for name, run in self._background.items():
            self._supervisor.start(name, run)
        self._workers = asyncio.create_task(self._work(), name="controllers")

    async def stop(self, *, finish: timedelta = FINISH) -> None:
        """Finish the keys in work within `finish`, then end everything."""
        for controller in self._controllers:
            controller.queue.shut_down()
        if self._workers is not None:
            await asyncio.wait({self._workers}, timeout=finish.total_seconds())
            if not self._workers.done():
                log.warning("some keys could not be finished in time; the next leader will")
                self._workers.cancel()
                await asyncio.wait({self._workers})
        self.health.is_working = False
        await self._flush()
        await self._supervisor.stop()

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(FLUSH.total_seconds()):
                await self._events.flush()
        except TimeoutError:
            log.warning("some events could not be written in time")

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            for controller in self._controllers:
                group.create_task(controller.run(), name=f"controller {controller.name}")
