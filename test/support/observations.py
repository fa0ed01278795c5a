"""What a pass over a RayCluster sees: `an_observation(a_cluster(…), pods)`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ray_operator.api.conditions import parse_conditions
from ray_operator.api.gates import DEFAULT
from ray_operator.api.raycluster_validation import find_problem
from ray_operator.controllers.raycluster.blueprint import draw
from ray_operator.controllers.raycluster.observed import Children, Observed, Policy
from ray_operator.controllers.views import service as services
from ray_operator.controllers.views.pod import PodView
from ray_operator.controllers.views.service import ServiceView
from ray_operator.operator.documents import (
    JsonObject,
    get_object,
    get_objects,
)
from support.builders import UID, a_pod, seen


def an_observation(
    document: JsonObject,
    pods: Iterable[PodView] = (),
    *,
    status: JsonObject | None = None,
    **changes: Any,  # noqa: ANN401  # the fields of Observed, checked when it is made
) -> Observed:
    """An observation in which all Services are as they should be."""
    cluster, pods = seen(document), tuple(pods)
    policy = changes.pop("policy", Policy())
    blueprint = draw(cluster, policy.build)
    live = {view.name: view for view in map(a_service, blueprint.services)}
    observed = Observed(
        cluster=cluster,
        blueprint=blueprint,
        policy=policy,
        status=status or {},
        conditions=parse_conditions(get_objects(status or {}, "conditions")),
        problem=find_problem(document, DEFAULT),
        pods=pods,
        taken_names=frozenset(pod.name for pod in pods),
        children=Children(services=live),
    )
    return replace(observed, **changes)


def a_service(
    manifest: JsonObject,
    owner: str = UID,
    **spec: Any,  # noqa: ANN401  # fields of the spec
) -> ServiceView:
    """A Service as the API server would have stored it."""
    metadata: JsonObject = {
        **get_object(manifest, "metadata"),
        "uid": "uid-of-service",
        "ownerReferences": [
            {"kind": "RayCluster", "name": "demo", "uid": owner, "controller": True},
        ],
    }
    stored: JsonObject = {"clusterIP": "10.0.0.10", **get_object(manifest, "spec"), **spec}
    ports: list[JsonObject] = [
        {"targetPort": port.get("port"), **port} for port in get_objects(stored, "ports")
    ]
    return services.project({"metadata": metadata, "spec": {**stored, "ports": ports}})


def a_head(name: str = "demo-head-1", **changes: Any) -> PodView:  # noqa: ANN401  # as of a_pod
    """A head pod whose stamps are current for nobody; see `current`."""
    return a_pod(name, group="headgroup", **changes)


def current(observed: Observed) -> Observed:
    """The same with every pod stamped as made from the current spec by this operator."""
    pods = tuple(replace(pod, annotations=_stamps(pod, observed)) for pod in observed.pods)
    return replace(observed, pods=pods)


def _stamps(pod: PodView, observed: Observed) -> dict[str, str]:
    stamps = observed.cluster.stamps
    told = {"ray.io/pod-spec-hash": stamps.pods.get(pod.group, "")}
    if pod.is_head:
        told["ray.io/kuberay-version"] = observed.policy.build.stamp
        told["ray.io/upgrade-strategy-recreate-hash"] = stamps.spec
    return {**told, **pod.annotations}


def conditions_of(status: JsonObject) -> Mapping[str, tuple[str, str]]:
    """Status and reason of each condition."""
    return {
        str(c.get("type")): (str(c.get("status")), str(c.get("reason")))
        for c in get_objects(status, "conditions")
    }
