"""What the caches keep of objects of any shape."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ray_operator.controllers.views import child, endpointslice, node, pod, resource, service
from ray_operator.controllers.views.resource import needs_attention
from ray_operator.operator.documents import JsonObject
from support.builders import a_cluster, a_pod, stored

PROJECTIONS: dict[str, Callable[[JsonObject], object]] = {
    "pod": pod.project,
    "service": service.project,
    "endpointslice": endpointslice.project,
    "custom resource": resource.project,
    "child": child.project,
    "node": node.project,
}
ODD: list[JsonObject] = [
    {},
    {"metadata": None, "spec": [], "status": 7},
    {"metadata": {"labels": {"a": 1}, "ownerReferences": ["x"]}, "spec": {"ports": [None]}},
    {"status": {"conditions": [{}], "containerStatuses": [{"state": None}]}},
]


@pytest.mark.parametrize("project", PROJECTIONS.values(), ids=PROJECTIONS.keys())
@pytest.mark.parametrize("document", ODD, ids=range(len(ODD)))
def test_no_document_stops_a_cache(
    project: Callable[[JsonObject], object], document: JsonObject
) -> None:
    project(document)


def test_a_pods_words() -> None:
    running = a_pod("p")
    assert running.is_live
    assert running.is_ready
    assert running.is_worker
    assert running.group == "small"
    assert running.created == datetime(2026, 1, 1, tzinfo=UTC)
    ending = a_pod("p", terminating=True)
    assert not ending.is_live
    assert not ending.is_ready
    assert not a_pod("p", phase="Failed").is_live


def test_endpoints_without_a_condition_are_ready() -> None:
    view = endpointslice.project(
        {
            "metadata": {
                "namespace": "ns1",
                "name": "s-1",
                "labels": {"kubernetes.io/service-name": "s"},
            },
            "endpoints": [
                {"addresses": ["10.0.0.1"], "targetRef": {"uid": "a"}},
                {"conditions": {"ready": False}, "targetRef": {"uid": "b"}},
            ],
        },
    )
    assert str(view.service) == "ns1/s"
    assert [(e.uid, e.is_ready) for e in view.endpoints] == [("a", True), ("b", False)]


def status_of(*conditions: JsonObject) -> JsonObject:
    return {**stored(a_cluster()), "status": {"conditions": conditions}}


def test_only_changes_that_matter_need_attention() -> None:
    first = resource.project(stored(a_cluster()))
    assert needs_attention(None, first)
    assert needs_attention(first, None)
    counted = resource.project({**stored(a_cluster()), "status": {"readyWorkerReplicas": 1}})
    assert not needs_attention(first, counted)
    turned = resource.project(status_of({"type": "RayClusterSuspending", "status": "True"}))
    assert needs_attention(first, turned)
    edited = resource.project(stored(a_cluster(), generation=2))
    assert needs_attention(first, edited)


def test_kubectls_copy_of_an_object_is_not_kept() -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"}
    view = resource.project(stored(a_cluster(annotations=annotations)))
    assert view.annotations == {"a": "b"}
    assert view.spec()["rayVersion"] == "2.52.0"
