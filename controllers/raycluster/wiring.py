"""Puts the RayCluster controller together, and says which changes it wants to hear of."""

from typing import Protocol, TypeVar

from ray_operator.api import gates
from ray_operator.api.conditions import RAY_CLUSTER_PROVISIONED as READY
from ray_operator.api.kinds import RAY_CLUSTER
from ray_operator.controllers.build_options import build_options
from ray_operator.controllers.caches import Caches
from ray_operator.controllers.internal_errors import Guarded, Teller
from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.controllers.raycluster.drawings import Drawings
from ray_operator.controllers.raycluster.existence import Existence
from ray_operator.controllers.raycluster.observe import Observer
from ray_operator.controllers.raycluster.observed import Policy
from ray_operator.controllers.raycluster.reconciler import CONTROLLER, RayClusterReconciler
from ray_operator.controllers.unseen_services import UnseenServices
from ray_operator.controllers.urgency import urgency_for, urgency_of
from ray_operator.controllers.views.ownership import Owner
from ray_operator.controllers.views.resource import ResourceView, needs_attention
from ray_operator.operator.controller import Reconciler
from ray_operator.operator.informer import Informer
from ray_operator.operator.keys import Key
from ray_operator.operator.parts import Parts
from ray_operator.operator.resync import Resync
from ray_operator.operator.store import View
from ray_operator.operator.workqueue import WorkQueue


def wire(parts: Parts, caches: Caches, queue: WorkQueue) -> Reconciler:
    """Return the reconciler of RayClusters, whose keys `queue` gets from the caches."""
    _subscribe(caches, queue)
    settings = parts.settings
    options = build_options(settings)
    observer = Observer(
        caches=caches,
        drawings=Drawings(options, settings.gates),
        existence=Existence(parts.kube, parts.clock),
        unseen=UnseenServices(parts.kube, parts.clock),
        expectations=parts.expectations,
        kube=parts.kube,
        policy=Policy(
            build=options,
            random_pod_delete=settings.random_pod_delete,
            conditions=settings.is_on(gates.RAY_CLUSTER_STATUS_CONDITIONS),
        ),
    )
    recorder = parts.recorder(CONTROLLER)
    reconciler = RayClusterReconciler(
        observer=observer,
        executor=parts.executor,
        statuses=parts.statuses,
        recorder=recorder,
        clock=parts.clock,
        resync=Resync(settings.resync, parts.clock),
    )
    teller = Teller(RAYCLUSTERS, caches.raycluster, parts.statuses, recorder, parts.clock)
    return Guarded(reconciler, teller)


def _subscribe(caches: Caches, queue: WorkQueue) -> None:
    def on_cluster(old: ResourceView | None, new: ResourceView | None) -> None:
        view = new or old
        if view is not None and needs_attention(old, new):
            is_first = not caches.rayclusters.has_synced
            queue.add(view.key, urgency_of(old, new, ready=READY, is_first_list=is_first))

    def on_child_of(informer: Informer[_ChildView]) -> None:
        def on_child(old: _ChildView | None, new: _ChildView | None) -> None:
            # Both: a child may have changed hands.
            for view in {id(view): view for view in (old, new) if view is not None}.values():
                if view.owner is not None and view.owner.kind == RAY_CLUSTER.name:
                    key = Key(view.key.namespace, view.owner.name)
                    is_first = not informer.has_synced
                    cluster = caches.raycluster(key)
                    queue.add(key, urgency_for(cluster, ready=READY, is_first_list=is_first))

        informer.on_change(on_child)

    caches.rayclusters.on_change(on_cluster)
    on_child_of(caches.pods)
    on_child_of(caches.services)
    for informer in (caches.accounts, caches.roles, caches.bindings, caches.budgets):
        on_child_of(informer)


class _Child(View, Protocol):
    @property
    def owner(self) -> Owner | None: ...


_ChildView = TypeVar("_ChildView", bound=_Child)
