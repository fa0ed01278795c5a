"""What a spec asks for, worked out once a generation: the manifests that no pod changes.

A pass that finds nothing to do must cost next to nothing, so whatever depends on the RayCluster
alone is built when it changes and kept for the next passes.
"""

from dataclasses import dataclass, field

from ray_operator.api.quantities import add_quantities
from ray_operator.controllers.manifests import autoscaler, services, termination
from ray_operator.controllers.manifests.cluster import Cluster, Group
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.ray_params import is_gpu
from ray_operator.controllers.raycluster.unbuilt import Missing, missing_features
from ray_operator.operator.documents import JsonObject, JsonValue, get_object, get_objects

_TPU = "google.com/tpu"


@dataclass(frozen=True, slots=True)
class Totals:
    """What all desired pods ask for together, as quantities."""

    cpu: str = "0"
    memory: str = "0"
    gpu: str = "0"
    tpu: str = "0"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """The wanted children of a cluster, but for its pods and its token.

    `services` are all Services that it is to have, the head's first.  The three of the autoscaler
    are `None` where it has no autoscaler, or brings its own ServiceAccount.  `missing` is what it
    asks for in vain.
    """

    services: tuple[JsonObject, ...] = ()
    account: JsonObject | None = None
    role: JsonObject | None = None
    binding: JsonObject | None = None
    budget: JsonObject | None = None
    totals: Totals = field(default_factory=Totals)
    missing: tuple[Missing, ...] = ()


def draw(cluster: Cluster, options: BuildOptions) -> Blueprint:
    """Work out what `cluster` is to have."""
    scales, own = cluster.has_autoscaler, cluster.has_own_account
    return Blueprint(
        services=_services(cluster, options),
        account=autoscaler.service_account(cluster) if scales and not own else None,
        role=autoscaler.role(cluster) if scales else None,
        binding=autoscaler.role_binding(cluster) if scales else None,
        budget=_budget(cluster, options),
        totals=_totals(cluster),
        missing=missing_features(cluster),
    )


def _services(cluster: Cluster, options: BuildOptions) -> tuple[JsonObject, ...]:
    wanted = [services.head_service(cluster, options)]
    if services.wants_headless_service(cluster):
        wanted.append(services.headless_service(cluster))
    if services.wants_dashboard_service(cluster, options):
        wanted.append(services.dashboard_service(cluster))
    if services.wants_serve_service(cluster):
        wanted.append(services.cluster_serve_service(cluster))
    return tuple(wanted)


def _budget(cluster: Cluster, options: BuildOptions) -> JsonObject | None:
    if not termination.wants_head_budget(cluster, options):
        return None
    return termination.head_budget(cluster)


def _totals(cluster: Cluster) -> Totals:
    asked = [
        (key, amount, times)
        for group, times in _groups(cluster)
        for container in get_objects(get_object(group.template, "spec"), "containers")
        for key, amount in _amounts(container).items()
    ]
    return Totals(
        cpu=add_quantities((amount, times) for key, amount, times in asked if key == "cpu"),
        memory=add_quantities((amount, times) for key, amount, times in asked if key == "memory"),
        gpu=add_quantities((amount, times) for key, amount, times in asked if is_gpu(key)),
        tpu=add_quantities((amount, times) for key, amount, times in asked if key == _TPU),
    )


def _groups(cluster: Cluster) -> list[tuple[Group, int]]:
    return [(cluster.head, 1), *((group, group.desired_pods) for group in cluster.workers)]


def _amounts(container: JsonObject) -> dict[str, JsonValue]:
    """Requests; a limit stands in for a missing one, as the scheduler does it."""
    resources = get_object(container, "resources")
    return {**get_object(resources, "limits"), **get_object(resources, "requests")}
