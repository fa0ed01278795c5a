"""Where requests go: the cluster that the service's Services select (rayservice.md 6, 9.4).

A switch that was begun is finished, by whoever finds it half done: once one Service selects the
pending cluster, all are to.  The Services are derived state, built anew in each pass and patched
where they differ.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ray_operator.api import labels, names
from ray_operator.api.kinds import RAY_SERVICE
from ray_operator.controllers.manifests.services import (
    ServiceIdentity,
    head_service,
    serve_service,
    service_patch,
)
from ray_operator.controllers.rayservice.actions import (
    HEAD_SERVICES,
    SERVE_SERVICE,
    CreateService,
    DeleteService,
    PatchService,
)
from ray_operator.controllers.rayservice.desired import Desired
from ray_operator.controllers.rayservice.observed import ClusterSeen, Observed
from ray_operator.controllers.views.service import ServiceView
from ray_operator.operator.documents import JsonObject, JsonValue, get_object, get_text


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Service as it should be, and whether it carries requests or leads to the head."""

    manifest: JsonObject
    lane: str

    @property
    def name(self) -> str:
        """The Service's name."""
        return get_text(get_object(self.manifest, "metadata"), "name")


def is_switching(seen: Observed) -> bool:
    """Tell whether some Service of ours selects the pending cluster already."""
    return bool(seen.names.pending) and any(
        service.selector.get(labels.CLUSTER) == seen.names.pending for service in own_services(seen)
    )


def is_switched(seen: Observed, wanted: tuple[Wanted, ...]) -> bool:
    """Tell whether every Service that can be ours selects the pending cluster."""
    if not wanted:
        return all(
            service.selector.get(labels.CLUSTER) == seen.names.pending
            for service in own_services(seen)
        )
    return all(_leads_to_pending(seen, service.name) for service in wanted)


def _leads_to_pending(seen: Observed, name: str) -> bool:
    """A name that is somebody else's can't be switched, and must not be waited for."""
    live = seen.service(name)
    if live is None:
        return False
    return _is_foreign(seen, live) or live.selector.get(labels.CLUSTER) == seen.names.pending


def target_of(seen: Observed, *, is_pending_switchable: bool) -> ClusterSeen | None:
    """Return the cluster that is to take the requests; None before the first one can."""
    if seen.pending is not None and (is_switching(seen) or is_pending_switchable):
        return seen.pending
    return seen.active


def own_services(seen: Observed) -> tuple[ServiceView, ...]:
    """Return the live Services that belong to the RayService."""
    return tuple(service for service in seen.services if not _is_foreign(seen, service))


def wanted_services(seen: Observed, target: ClusterSeen) -> tuple[Wanted, ...]:
    """Build the Services of a RayService in front of a cluster.

    While the spec is invalid nobody knows what they are to look like: those that exist stay, none
    is made.
    """
    if not isinstance(seen.desired, Desired):
        return ()
    heads = [names.head_service(seen.name)]
    if seen.options.head_alias_service:
        heads.append(names.head_alias_service(seen.name))
    return (_serve_service(seen, target), *(_head_service(seen, target, name) for name in heads))


def _serve_service(seen: Observed, target: ClusterSeen) -> Wanted:
    own = {**_origin(seen), labels.SERVE: f"{seen.name}-serve"}
    manifest = serve_service(
        target.cluster,
        ServiceIdentity(names.serve_service(seen.name), own),
        {labels.CLUSTER: target.name, labels.SERVE: labels.TRUE},
        _template(seen),
    )
    return Wanted(manifest, SERVE_SERVICE)


def _head_service(seen: Observed, target: ClusterSeen, name: str) -> Wanted:
    own = {
        **_origin(seen),
        labels.NODE_TYPE: labels.HEAD,
        labels.IDENTIFIER: names.head_identifier(seen.name),
        labels.APP_NAME: labels.APP_NAME_VALUE,
        labels.CREATED_BY: labels.CREATED_BY_VALUE,
    }
    manifest = head_service(target.cluster, seen.options.build, ServiceIdentity(name, own))
    return Wanted(manifest, HEAD_SERVICES)


def _origin(seen: Observed) -> dict[str, str]:
    return {
        labels.ORIGINATED_FROM_NAME: seen.name,
        labels.ORIGINATED_FROM_CRD: RAY_SERVICE.name,
    }


def finish(seen: Observed) -> Iterator[PatchService]:
    """Finish a switch that was begun before the spec became invalid: move the selectors alone."""
    pending = seen.names.pending
    for service in own_services(seen):
        if service.selector.get(labels.CLUSTER) == pending:
            continue
        selector: dict[str, JsonValue] = {labels.CLUSTER: pending}
        if labels.IDENTIFIER in service.selector:
            selector[labels.IDENTIFIER] = names.head_identifier(pending)
        lane = SERVE_SERVICE if labels.SERVE in service.selector else HEAD_SERVICES
        yield PatchService(
            service.key,
            {"spec": {"selector": selector}},
            lane,
            why=f"it leads to RayCluster {pending} now",
        )


def direct(
    seen: Observed, wanted: tuple[Wanted, ...]
) -> Iterator[CreateService | PatchService | DeleteService]:
    """Return what makes the live Services those that are wanted; nothing if none are known."""
    if not wanted:
        if is_switching(seen):
            yield from finish(seen)
        return
    for service in wanted:
        live = seen.service(service.name)
        if live is None:
            yield CreateService(service.manifest, service.lane)
            continue
        if _is_foreign(seen, live):
            continue
        patch = service_patch(live, service.manifest)
        if patch is not None:
            yield PatchService(live.key, patch, service.lane, _why(live, service.manifest))
    yield from _prune(seen, {service.name for service in wanted})


def conflicts(seen: Observed, wanted: tuple[Wanted, ...]) -> tuple[str, ...]:
    """Return the names that are taken by Services of somebody else."""
    return tuple(s.name for s in wanted if _is_somebody_elses(seen, s.name))


def _is_somebody_elses(seen: Observed, name: str) -> bool:
    live = seen.service(name)
    return live is not None and _is_foreign(seen, live)


def serve_service_name(seen: Observed) -> str:
    """Return the name of the Service that carries the requests."""
    return get_text(get_object(_template(seen), "metadata"), "name") or names.serve_service(
        seen.name
    )


def _template(seen: Observed) -> JsonObject:
    return seen.desired.serve_service if isinstance(seen.desired, Desired) else {}


def _prune(seen: Observed, kept: set[str]) -> Iterator[DeleteService]:
    """A serve Service that was renamed leaves its old one behind."""
    for service in own_services(seen):
        if service.name not in kept and not service.is_terminating:
            yield DeleteService(service.key, service.uid)


def _is_foreign(seen: Observed, live: ServiceView) -> bool:
    return live.owner_uid != seen.ref.uid


def _why(live: ServiceView, manifest: JsonObject) -> str:
    selector = get_object(manifest, "spec", "selector")
    wanted = selector.get(labels.CLUSTER)
    before = live.selector.get(labels.CLUSTER)
    return f"it leads to RayCluster {wanted} now" if wanted != before else "it is not as specified"
