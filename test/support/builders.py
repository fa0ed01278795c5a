"""Manifests and views for tests: only what a test is about is spelled out.

`a_cluster(groups=[a_group(replicas=2)])` is a RayCluster as a user would write it; `seen(…)` is the
same in the operator's words.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ray_operator.controllers.manifests.cluster import Cluster, Identity, read_cluster, stamped
from ray_operator.controllers.views import pod as pods
from ray_operator.controllers.views import resource
from ray_operator.controllers.views.pod import PodView
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_int,
    get_object,
    get_text,
    get_texts,
)

UID = "8f3c0a4e-1b2d-4c3e-9f10-abcdefabcdef"
IMAGE = "rayproject/ray:2.52.0"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def a_container(name: str = "ray", **changes: JsonValue) -> dict[str, JsonValue]:
    """A Ray container; `changes` add or replace fields."""
    return {"name": name, "image": IMAGE, **changes}


def resources(**amounts: str) -> JsonObject:
    """Equal limits and requests: `resources(cpu="1", memory="1Gi")`."""
    return {"limits": amounts, "requests": amounts}


def a_template(*containers: JsonObject, **spec: JsonValue) -> dict[str, JsonValue]:
    """A pod template; without containers, one plain Ray container."""
    return {"spec": {"containers": list(containers) or [a_container()], **spec}}


def a_group(
    name: str = "small",
    replicas: int = 1,
    template: JsonObject | None = None,
    **changes: JsonValue,
) -> dict[str, JsonValue]:
    """A worker group, with the defaults that the API server would add."""
    return {
        "groupName": name,
        "replicas": replicas,
        "minReplicas": 0,
        "maxReplicas": 2**31 - 1,
        "numOfHosts": 1,
        "template": template or a_template(a_container("ray-worker")),
        **changes,
    }


def a_head(template: JsonObject | None = None, **changes: JsonValue) -> dict[str, JsonValue]:
    """A headGroupSpec."""
    return {"template": template or a_template(a_container("ray-head")), **changes}


def a_cluster(  # noqa: PLR0913  # a builder: every part is optional
    name: str = "demo",
    *,
    namespace: str = "ns1",
    head: JsonObject | None = None,
    groups: Iterable[JsonObject] = (),
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **spec: JsonValue,
) -> dict[str, JsonValue]:
    """A RayCluster; further keywords are fields of its spec."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": dict(labels or {}),
            "annotations": dict(annotations or {}),
        },
        "spec": {
            "rayVersion": "2.52.0",
            "headGroupSpec": head or a_head(),
            "workerGroupSpecs": list(groups),
            **spec,
        },
    }


def stored(document: JsonObject, *, uid: str = UID, generation: int = 1) -> dict[str, JsonValue]:
    """The document as the API server would have stored it."""
    metadata: dict[str, JsonValue] = {
        "uid": uid,
        "generation": generation,
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **get_object(document, "metadata"),
    }
    return {**document, "metadata": metadata}


def seen(document: JsonObject) -> Cluster:
    """A RayCluster in the operator's words, hashes included."""
    metadata = get_object(stored(document), "metadata")
    identity = Identity(
        name=get_text(metadata, "name"),
        namespace=get_text(metadata, "namespace"),
        uid=get_text(metadata, "uid"),
        labels=get_texts(metadata, "labels"),
        annotations=get_texts(metadata, "annotations"),
        generation=get_int(metadata, "generation"),
    )
    return stamped(read_cluster(identity, get_object(document, "spec")))


def a_view(document: JsonObject) -> ResourceView:
    """A RayCluster or RayService as the cache holds it."""
    return resource.project(stored(document))


def a_pod(  # noqa: PLR0913  # a builder: every part is optional
    name: str,
    *,
    cluster: str = "demo",
    group: str = "small",
    uid: str = "",
    phase: str = "Running",
    ready: bool = True,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    terminating: bool = False,
    created: str = "2026-01-01T00:00:00Z",
    node: str = "node-1",
    restart_policy: str = "Always",
    containers: Iterable[JsonObject] = (),
    init_containers: Iterable[JsonObject] = (),
    conditions: Iterable[JsonObject] = (),
    **status: JsonValue,
) -> PodView:
    """A pod of a RayCluster as the cache holds it; by default it runs and is ready.

    `containers` are entries of `status.containerStatuses`; further keywords are status fields.
    """
    metadata: dict[str, JsonValue] = {
        "name": name,
        "namespace": "ns1",
        "uid": uid or f"uid-of-{name}",
        "resourceVersion": "1",
        "creationTimestamp": created,
        "labels": {
            "ray.io/cluster": cluster,
            "ray.io/group": group,
            "ray.io/node-type": "head" if group == "headgroup" else "worker",
            **(labels or {}),
        },
        "annotations": dict(annotations or {}),
        "ownerReferences": [
            {"kind": "RayCluster", "name": cluster, "uid": UID, "controller": True},
        ],
    }
    if terminating:
        metadata["deletionTimestamp"] = "2026-01-01T00:10:00Z"
        metadata["deletionGracePeriodSeconds"] = 30
    ready_condition: JsonObject = {
        "type": "Ready",
        "status": "True" if ready else "False",
        "reason": "" if ready else "ContainersNotReady",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return pods.project(
        {
            "metadata": metadata,
            "spec": {
                "nodeName": node,
                "restartPolicy": restart_policy,
                "containers": [{"name": "ray"}],
            },
            "status": {
                "phase": phase,
                "podIP": "10.0.0.1",
                "conditions": [ready_condition, *conditions],
                "containerStatuses": list(containers),
                "initContainerStatuses": list(init_containers),
                **status,
            },
        },
    )
