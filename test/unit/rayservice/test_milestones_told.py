"""A status that says something for the first time reaches the histograms."""

from ray_operator.controllers.views import endpointslice
from ray_operator.controllers.views import service as services
from ray_operator.controllers.views.resource import project
from ray_operator.operator import metrics
from ray_operator.operator.documents import JsonObject
from ray_operator.operator.keys import Key
from support.desk import a_desk
from support.rayservice_world import a_service_spec


async def test_the_reconciler_tells_the_metrics_of_what_it_wrote() -> None:
    desk = a_desk()
    document: JsonObject = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {
            "name": "s",
            "namespace": "ns",
            "uid": "uid-of-s",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": "2025-12-31T23:59:00Z",
        },
        "spec": a_service_spec(),
        "status": {"pendingServiceStatus": {"rayClusterName": "c"}},
    }
    slice_: JsonObject = {
        "metadata": {
            "name": "x",
            "namespace": "ns",
            "uid": "u",
            "labels": {"kubernetes.io/service-name": "s-serve-svc"},
        },
        "endpoints": [
            {
                "targetRef": {"uid": "p", "name": "p"},
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": True},
            }
        ],
    }
    service: JsonObject = {
        "metadata": {
            "name": "s-serve-svc",
            "namespace": "ns",
            "uid": "uid-of-service",
            "resourceVersion": "1",
            "labels": {"ray.io/serve": "s-serve"},
            "ownerReferences": [
                {"kind": "RayService", "name": "s", "uid": "uid-of-s", "controller": True}
            ],
        },
        "spec": {"selector": {"ray.io/cluster": "c"}},
    }
    desk.caches.services.store.put(services.project(service))
    desk.caches.rayservices.store.put(project(document))
    desk.caches.endpointslices.store.put(endpointslice.project(slice_))
    count, total = (f"ray_operator_service_ready_seconds_{x}" for x in ("count", "sum"))
    before = [metrics.REGISTRY.get_sample_value(name) or 0 for name in (count, total)]

    await desk.rayservices.reconcile(Key("ns", "s"))

    after = [metrics.REGISTRY.get_sample_value(name) or 0 for name in (count, total)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 60]
