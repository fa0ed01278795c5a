"""What the controllers know of the cluster: one informer a kind, and the lookups they need.

Lookups go by owner UID, never by a label alone: a label can be copied to a foreign object.
Which controller wants to hear of a change is `wiring.py`'s business in each controller.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ray_operator.api import labels
from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.controllers.views import child, endpointslice, node, pod, resource, service
from ray_operator.controllers.views.child import ChildView
from ray_operator.controllers.views.endpointslice import EndpointSliceView
from ray_operator.controllers.views.node import NodeView
from ray_operator.controllers.views.pod import PodView
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.controllers.views.service import ServiceView
from ray_operator.operator.documents import JsonObject
from ray_operator.operator.informer import Informer
from ray_operator.operator.keys import Key
from ray_operator.operator.resources import (
    ENDPOINTSLICES,
    NODES,
    PDBS,
    PODS,
    ROLEBINDINGS,
    ROLES,
    SERVICEACCOUNTS,
    SERVICES,
    Resource,
)
from ray_operator.operator.store import Indexer, View

V = TypeVar("V", bound=View)
BY_OWNER = "owner"
BY_SERVICE = "service"
BY_CLUSTER = "cluster"

OURS = f"{labels.CREATED_BY}={labels.CREATED_BY_VALUE}"
RAY_PODS = f"{labels.NODE_TYPE} in ({labels.HEAD},{labels.WORKER},{labels.REDIS_CLEANUP})"
"""Selectors of operator.md §4: other people's pods and Services never enter our memory."""


class Watch(Protocol):
    """Registers an informer with the process, which runs it."""

    def __call__(
        self,
        resource: Resource,
        project: Callable[[JsonObject], V],
        *,
        selector: str = "",
        indexes: Mapping[str, Indexer[V]] | None = None,
        is_essential: bool = False,
    ) -> Informer[V]:
        """Return the informer; it starts with the process."""
        ...


class _Owned(View, Protocol):
    @property
    def owner_uid(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Caches:
    """Every informer of the controllers, and what is asked of them.

    All lookups are dict accesses; what they return is what the API server said some moments ago.
    """

    rayclusters: Informer[ResourceView]
    rayservices: Informer[ResourceView]
    pods: Informer[PodView]
    services: Informer[ServiceView]
    endpointslices: Informer[EndpointSliceView]
    accounts: Informer[ChildView]
    roles: Informer[ChildView]
    bindings: Informer[ChildView]
    budgets: Informer[ChildView]
    nodes: Informer[NodeView]

    def raycluster(self, key: Key) -> ResourceView | None:
        """Return the RayCluster of that name."""
        return self.rayclusters.store.get(key)

    def rayservice(self, key: Key) -> ResourceView | None:
        """Return the RayService of that name."""
        return self.rayservices.store.get(key)

    def clusters_of(self, owner_uid: str) -> tuple[ResourceView, ...]:
        """Return the RayClusters that an object controls."""
        return self.rayclusters.store.by_index(BY_OWNER, owner_uid)

    def pods_of(self, owner_uid: str) -> tuple[PodView, ...]:
        """Return the pods that a RayCluster controls, terminating and finished ones included."""
        return self.pods.store.by_index(BY_OWNER, owner_uid)

    def pods_labelled(self, cluster: Key) -> tuple[PodView, ...]:
        """Return the pods that carry a RayCluster's name, whoever owns them."""
        return self.pods.store.by_index(BY_CLUSTER, str(cluster))

    def pod(self, key: Key) -> PodView | None:
        """Return the pod of that name, whoever owns it."""
        return self.pods.store.get(key)

    def services_of(self, owner_uid: str) -> tuple[ServiceView, ...]:
        """Return the Services that an object controls."""
        return self.services.store.by_index(BY_OWNER, owner_uid)

    def service(self, key: Key) -> ServiceView | None:
        """Return the Service of that name, if it carries our label, whoever owns it."""
        return self.services.store.get(key)

    @property
    def knows_nodes(self) -> bool:
        """Whether nodes can be seen at all: namespaced installations may not."""
        return not self.nodes.is_unavailable

    def node(self, name: str) -> NodeView | None:
        """Return the node of that name."""
        return self.nodes.store.get(Key("", name))

    def endpoints_of(self, service: Key) -> tuple[EndpointSliceView, ...]:
        """Return the EndpointSlices of a Service."""
        return self.endpointslices.store.by_index(BY_SERVICE, str(service))


def build_caches(watch: Watch) -> Caches:
    """Declare every informer; `watch` registers each with the process.

    Essential is what would be made a second time by who does not see it.
    """
    owned: Mapping[str, Indexer[_Owned]] = {BY_OWNER: _owner}
    return Caches(
        rayclusters=watch(RAYCLUSTERS, resource.project, indexes=owned, is_essential=True),
        rayservices=watch(RAYSERVICES, resource.project),
        pods=watch(
            PODS,
            pod.project,
            selector=RAY_PODS,
            indexes={BY_OWNER: _owner, BY_CLUSTER: _cluster},
            is_essential=True,
        ),
        services=watch(SERVICES, service.project, selector=OURS, indexes=owned, is_essential=True),
        endpointslices=watch(
            ENDPOINTSLICES,
            endpointslice.project,
            selector=f"{labels.SERVICE_NAME},{labels.CREATED_BY}={labels.CREATED_BY_VALUE}",
            indexes={BY_SERVICE: _service},
        ),
        accounts=watch(SERVICEACCOUNTS, child.project, selector=OURS),
        roles=watch(ROLES, child.project, selector=OURS),
        bindings=watch(ROLEBINDINGS, child.project, selector=OURS),
        budgets=watch(PDBS, child.project, selector=OURS),
        nodes=watch(NODES, node.project),
    )


def _owner(view: _Owned) -> Iterable[str]:
    return (view.owner_uid,) if view.owner_uid else ()


def _cluster(view: PodView) -> Iterable[str]:
    return (str(Key(view.key.namespace, view.cluster)),)


def _service(view: EndpointSliceView) -> Iterable[str]:
    return (str(view.service),)
