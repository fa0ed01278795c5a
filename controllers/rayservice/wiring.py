"""How the RayService controller hangs together: who wakes it, and what it works with."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product
from typing import TypeVar

from ray_operator.api.conditions import READY
from ray_operator.api.kinds import RAY_CLUSTER, RAY_SERVICE
from ray_operator.controllers.caches import Caches
from ray_operator.controllers.dashboard.admission import Admission
from ray_operator.controllers.dashboard.client import PROXIED, ServeClient, Timeouts
from ray_operator.controllers.dashboard.dashboards import Dashboards
from ray_operator.controllers.dashboard.measured import Measured
from ray_operator.controllers.dashboard.transport import Direct, Proxied, Transport
from ray_operator.controllers.internal_errors import Guarded, Teller
from ray_operator.controllers.kinds import RAYSERVICES
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.rayservice.desired import Options
from ray_operator.controllers.rayservice.milestones import STRATEGIES, Ending
from ray_operator.controllers.rayservice.observe import Reading
from ray_operator.controllers.rayservice.reader import Reader
from ray_operator.controllers.rayservice.reconciler import RayServiceReconciler, Tools
from ray_operator.controllers.unseen_services import UnseenServices
from ray_operator.controllers.urgency import urgency_for, urgency_of
from ray_operator.controllers.views.endpointslice import EndpointSliceView
from ray_operator.controllers.views.ownership import Owner
from ray_operator.controllers.views.pod import PodView
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator import metrics
from ray_operator.operator.controller import Reconciler
from ray_operator.operator.informer import Informer
from ray_operator.operator.keys import Key
from ray_operator.operator.parts import Parts
from ray_operator.operator.resync import Resync
from ray_operator.operator.settings import Settings
from ray_operator.operator.store import View
from ray_operator.operator.workqueue import WorkQueue

CONTROLLER = "rayservice-controller"


def wire(
    parts: Parts,
    caches: Caches,
    queue: WorkQueue,
    build: BuildOptions,
    transport: Transport | None = None,
) -> Reconciler:
    """Register who puts keys on the queue, and return who works on them.

    Args:
        parts: the machinery.
        caches: where changes come from.
        queue: the controller's own.
        build: what goes into manifests.
        transport: how Rays are reached; None for what the settings say.
    """
    is_proxied = parts.settings.use_kubernetes_proxy
    reached = transport or (Proxied(parts.kube) if is_proxied else Direct(fence=parts.kube.fence))
    measured = Measured(reached, parts.clock)
    client = ServeClient(measured, Admission(), PROXIED if is_proxied else Timeouts())
    waker = Waker(caches, queue)
    dashboards = Dashboards(client, parts.clock, waker.wake)
    metrics.BREAKER_OPEN.set_function(dashboards.open_breakers)
    for strategy, ending in product(STRATEGIES, Ending):
        metrics.SERVICE_UPGRADES.labels(strategy, ending)  # at zero from the start
    parts.start_background("dashboards", dashboards.run)
    _listen(caches, waker)
    tools = Tools(
        clock=parts.clock,
        executor=parts.executor,
        statuses=parts.statuses,
        recorder=parts.recorder(CONTROLLER),
        resync=Resync(parts.settings.resync, parts.clock),
        unseen=UnseenServices(parts.kube, parts.clock),
    )
    options = options_of(parts.settings, build)
    reading = Reading(Reader(options), options, Absence(parts))
    reconciler = RayServiceReconciler(tools, caches, dashboards, reading)
    teller = Teller(RAYSERVICES, caches.rayservice, parts.statuses, tools.recorder, parts.clock)
    return Guarded(reconciler, teller)


AWAY = timedelta(seconds=60)
"""A shorter absence of any operator is a restart: clocks of health go on through it."""


class Absence:
    """Since when an operator is at work again after none was; None if none was missed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._began: datetime | None = None

    def __call__(self) -> datetime | None:
        """See the class; the first call is the beginning of work."""
        self._began = self._began or self._parts.clock.now()
        last = self._parts.previous_renewal()
        was_away = last is None or self._began - last > AWAY
        return self._began if was_away else None


def options_of(settings: Settings, build: BuildOptions) -> Options:
    """Return what the settings decide about RayServices."""
    return Options(
        build=build,
        gates=settings.gates,
        zero_downtime=settings.zero_downtime,
        head_alias_service=settings.head_alias_service,
        health_replacement=settings.rayservice_health_replacement,
    )


def _listen(caches: Caches, waker: "Waker") -> None:
    """Wake a service for every change of what it is derived from, its own status included.

    The names of its clusters stand in its status, and are acted upon when they are read there.
    """
    owners = Owners(caches)
    caches.rayservices.on_change(waker.on_service)
    waker.listen(caches.rayclusters, lambda view: owners.of(view.key, view.owner))
    waker.listen(caches.services, lambda view: owners.of(view.key, view.owner))
    waker.listen(caches.pods, owners.of_pod)
    waker.listen(caches.endpointslices, owners.of_slice)


V = TypeVar("V", bound=View)


class Waker:
    """Puts services on the queue, each with its urgency."""

    def __init__(self, caches: Caches, queue: WorkQueue) -> None:
        self._caches = caches
        self._queue = queue

    def on_service(self, old: ResourceView | None, new: ResourceView | None) -> None:
        """Wake a service that changed."""
        view = new or old
        if view is not None:
            is_first = not self._caches.rayservices.has_synced
            urgency = urgency_of(old, new, ready=READY, is_first_list=is_first)
            self._queue.add(view.key, urgency)

    def listen(self, informer: Informer[V], owner_of: Callable[[V], Key | None]) -> None:
        """Wake the services that `owner_of` names for what changes in a cache."""

        def on_change(old: V | None, new: V | None) -> None:
            for view in (old, new):
                key = owner_of(view) if view is not None else None
                if key is not None:
                    self.wake(key, is_first_list=not informer.has_synced)

        informer.on_change(on_change)

    def wake(self, service: Key, *, is_first_list: bool = False) -> None:
        """Wake a service for something that belongs to it."""
        view = self._caches.rayservice(service)
        urgency = urgency_for(view, ready=READY, is_first_list=is_first_list)
        self._queue.add(service, urgency)


class Owners:
    """Whose a child is: the key of the RayService at the end of the chain of owners."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches

    def of(self, child: Key, owner: Owner | None) -> Key | None:
        """Return the RayService that controls a child; None if none does."""
        if owner is None or owner.kind != RAY_SERVICE.name:
            return None
        return Key(child.namespace, owner.name)

    def of_pod(self, pod: PodView) -> Key | None:
        """Return the RayService whose cluster controls a pod."""
        if pod.owner is None or pod.owner.kind != RAY_CLUSTER.name:
            return None
        cluster = self._caches.raycluster(Key(pod.key.namespace, pod.owner.name))
        return self.of(cluster.key, cluster.owner) if cluster is not None else None

    def of_slice(self, slice_: EndpointSliceView) -> Key | None:
        """Return the RayService whose Service an EndpointSlice belongs to."""
        service = self._caches.service(slice_.service)
        return self.of(service.key, service.owner) if service is not None else None
