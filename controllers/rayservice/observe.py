"""From the caches and Ray's answers to one frozen `Observed`.

Nothing here decides anything; a cluster that is being deleted is no longer the active or pending
one, whatever the status says.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ray_operator.api import labels, names
from ray_operator.api.conditions import parse_conditions
from ray_operator.api.serve_config import http_port
from ray_operator.controllers.assigned_config import read_assigned
from ray_operator.controllers.dashboard.observation import RayView
from ray_operator.controllers.identity import identity_of
from ray_operator.controllers.manifests.cluster import read_cluster
from ray_operator.controllers.rayservice.desired import Desired, Options
from ray_operator.controllers.rayservice.observed import ClusterSeen, Names, Observed
from ray_operator.controllers.rayservice.reader import Reader
from ray_operator.controllers.views.endpointslice import Endpoint, EndpointSliceView
from ray_operator.controllers.views.pod import PodView
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.controllers.views.service import ServiceView
from ray_operator.operator.documents import get_flag, get_object, get_objects, get_text
from ray_operator.operator.keys import Key


class Lookups(Protocol):
    """What is asked of the caches."""

    def clusters_of(self, owner_uid: str) -> tuple[ResourceView, ...]:
        """Return the RayClusters that an object controls."""
        ...

    def pods_of(self, owner_uid: str) -> tuple[PodView, ...]:
        """Return the pods that a RayCluster controls."""
        ...

    def services_of(self, owner_uid: str) -> tuple[ServiceView, ...]:
        """Return the Services that an object controls."""
        ...

    def service(self, key: Key) -> ServiceView | None:
        """Return the Service of that name, whoever owns it."""
        ...

    def endpoints_of(self, service: Key) -> tuple[EndpointSliceView, ...]:
        """Return the EndpointSlices of a Service."""
        ...


class Rays(Protocol):
    """What is asked of the Rays."""

    def view(self, cluster_uid: str) -> RayView:
        """Return what is known of a cluster's Ray."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """How specs are read, and since when: `watched_since` is as in `Observed`."""

    reader: Reader
    options: Options
    watched_since: Callable[[], datetime | None] = lambda: None


@dataclass(frozen=True, slots=True)
class Sources:
    """Where everything that is known comes from."""

    caches: Lookups
    rays: Rays
    reading: Reading


def observe(service: ResourceView, sources: Sources) -> Observed:
    """Read everything that is known about a RayService."""
    caches = sources.caches
    spec, status = service.spec(), service.status()
    desired = sources.reading.reader.read(service)
    clusters = [_cluster(view, sources, desired) for view in caches.clusters_of(service.uid)]
    standing = {c.name: c for c in clusters if not c.is_terminating}
    recorded = Names(
        active=get_text(get_object(status, "activeServiceStatus"), "rayClusterName"),
        pending=get_text(get_object(status, "pendingServiceStatus"), "rayClusterName"),
    )
    active, pending = standing.get(recorded.active), standing.get(recorded.pending)
    return Observed(
        ref=service.ref,
        generation=service.generation,
        desired=desired,
        fresh_name=_fresh_name(service.name),
        options=sources.reading.options,
        labels=service.labels,
        annotations=service.annotations,
        wants_suspend=get_flag(spec, "suspend"),
        created=service.created,
        status=status,
        conditions=parse_conditions(get_objects(status, "conditions")),
        names=recorded,
        active=active,
        pending=pending,
        others=tuple(c for c in clusters if c is not active and c is not pending),
        services=_services(service, desired, caches),
        endpoints=_endpoints(service, caches),
        watched_since=sources.reading.watched_since(),
    )


def _fresh_name(service: str) -> str:
    letters = random.choices(names.SUFFIX_ALPHABET, k=names.SUFFIX_LENGTH)  # noqa: S311 — a name, not a secret
    return names.rayservice_cluster_name(service, "".join(letters))


def _cluster(view: ResourceView, sources: Sources, desired: object) -> ClusterSeen:
    config = read_assigned(view.annotations)
    if config is None and isinstance(desired, Desired):
        config = desired.serve_config
    status = view.status()
    return ClusterSeen(
        cluster=read_cluster(identity_of(view), view.spec(), serve_port=http_port(config or {})),
        ref=view.ref,
        status=status,
        conditions=parse_conditions(get_objects(status, "conditions")),
        created=view.created,
        is_terminating=view.is_terminating,
        pods=sources.caches.pods_of(view.uid),
        ray=sources.rays.view(view.uid),
    )


def _services(service: ResourceView, desired: object, caches: Lookups) -> tuple[ServiceView, ...]:
    """Our Services, and those of others under the names that ours are to have."""
    found = {view.key: view for view in caches.services_of(service.uid)}
    wanted = [
        names.serve_service(service.name),
        names.head_service(service.name),
        names.head_alias_service(service.name),
    ]
    if isinstance(desired, Desired):
        wanted.append(get_text(get_object(desired.serve_service, "metadata"), "name"))
    for name in wanted:
        view = caches.service(Key(service.namespace, name))
        if view is not None:
            found[view.key] = view
    return tuple(found.values())


def _endpoints(service: ResourceView, caches: Lookups) -> tuple[Endpoint, ...]:
    """The endpoints of those of our Services that carry requests."""
    carriers = (s for s in caches.services_of(service.uid) if labels.SERVE in s.labels)
    return tuple(
        endpoint
        for carrier in carriers
        for slice_ in caches.endpoints_of(carrier.key)
        for endpoint in slice_.endpoints
    )
