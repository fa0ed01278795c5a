"""The peer's series: computed from the caches, and gone with the objects."""

from prometheus_client import CollectorRegistry

from ray_operator.api import labels
from ray_operator.controllers.peer_metrics import PeerMetrics
from ray_operator.controllers.views.resource import project
from ray_operator.operator.documents import JsonObject, JsonValue
from ray_operator.operator.keys import Key
from support.desk import Desk, a_desk

CREATED, PROVISIONED = "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z"


def an_object(kind: str, name: str, *conditions: JsonObject, **metadata: JsonValue) -> JsonObject:
    return {
        "apiVersion": "ray.io/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": f"uid-of-{name}",
            "resourceVersion": "1",
            "creationTimestamp": CREATED,
            **metadata,
        },
        "spec": {},
        "status": {"conditions": conditions},
    }


def condition(type_: str, status: str, since: str = PROVISIONED) -> JsonObject:
    return {"type": type_, "status": status, "reason": "X", "lastTransitionTime": since}


def a_registry(desk: Desk) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(PeerMetrics(desk.caches))
    return registry


def shown(registry: CollectorRegistry) -> dict[str, float]:
    """Return all samples by name and the labels that are no identity."""
    identity = {"name", "namespace", "uid"}
    return {
        " ".join(
            (sample.name, *(v for k, v in sample.labels.items() if k not in identity))
        ): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def test_a_raycluster_has_its_series_under_the_names_of_the_peer() -> None:
    desk = a_desk()
    document = an_object("RayCluster", "c", condition("RayClusterProvisioned", "True"))
    desk.caches.rayclusters.store.put(project(document))

    assert shown(a_registry(desk)) == {
        "kuberay_cluster_info None": 1,
        "kuberay_cluster_condition_provisioned true": 1,
        "kuberay_cluster_provisioned_duration_seconds": 90,
    }


def test_a_series_names_its_object() -> None:
    desk = a_desk()
    owned: dict[str, JsonValue] = {labels.ORIGINATED_FROM_CRD: "RayService"}
    desk.caches.rayclusters.store.put(project(an_object("RayCluster", "c", labels=owned)))

    labels_shown = {
        "name": "c",
        "namespace": "ns",
        "uid": "uid-of-c",
        "owner_kind": "RayService",
    }
    assert a_registry(desk).get_sample_value("kuberay_cluster_info", labels_shown) == 1


def test_a_cluster_that_is_not_provisioned_has_no_duration() -> None:
    desk = a_desk()
    document = an_object("RayCluster", "c", condition("RayClusterProvisioned", "False"))
    desk.caches.rayclusters.store.put(project(document))

    assert shown(a_registry(desk)) == {
        "kuberay_cluster_info None": 1,
        "kuberay_cluster_condition_provisioned false": 1,
    }


def test_a_rayservice_has_its_series_under_the_names_of_the_peer() -> None:
    desk = a_desk()
    ready, upgrade = condition("Ready", "True"), condition("UpgradeInProgress", "False")
    desk.caches.rayservices.store.put(project(an_object("RayService", "s", ready, upgrade)))

    assert shown(a_registry(desk)) == {
        "kuberay_service_info": 1,
        "kuberay_service_condition_ready true": 1,
        "kuberay_service_condition_upgrade_in_progress false": 1,
    }


def test_the_series_go_with_the_object() -> None:
    desk = a_desk()
    registry = a_registry(desk)
    desk.caches.rayclusters.store.put(project(an_object("RayCluster", "c")))
    desk.caches.rayservices.store.put(project(an_object("RayService", "s")))
    assert shown(registry)

    desk.caches.rayclusters.store.remove(Key("ns", "c"))
    desk.caches.rayservices.store.remove(Key("ns", "s"))

    assert shown(registry) == {}
