"""The guard of RayServices sees what it is there to see."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

from faults.service_guard import Guard
from faults.service_scenarios import NAME, SERVE
from ray_operator.operator.documents import JsonObject, JsonValue
from support.dashboard import FakeHead, FakeRays
from support.kubelet import RawView, project
from support.service_scene import ServiceScene

OLD, NEW = f"{NAME}-raycluster-old", f"{NAME}-raycluster-new"


@dataclass
class FakeInformer:
    """Tells its handlers of what a test puts and drops."""

    views: dict[str, RawView] = field(default_factory=dict)
    handlers: list[Callable[[RawView | None, RawView | None], None]] = field(default_factory=list)

    @property
    def store(self) -> SimpleNamespace:
        return SimpleNamespace(
            values=lambda: tuple(self.views.values()), get=lambda key: self.views.get(key.name)
        )

    def on_change(self, handler: Callable[[RawView | None, RawView | None], None]) -> None:
        self.handlers.append(handler)

    def put(self, name: str, **document: JsonValue) -> None:
        metadata: JsonObject = {"name": name, "namespace": "ns", "uid": name}
        old, new = self.views.get(name), project({"metadata": metadata, **document})
        self.views[name] = new
        for handler in self.handlers:
            handler(old, new)

    def drop(self, name: str) -> None:
        old = self.views.pop(name)
        for handler in self.handlers:
            handler(old, None)


class Stage:
    """A namespace that a test makes up, with a guard in it; the old cluster was ready."""

    def __init__(self) -> None:
        self.clusters, self.services, self.owners = FakeInformer(), FakeInformer(), FakeInformer()
        self.rays = FakeRays()
        self.heads: Mapping[str, FakeHead] = {
            name: self.rays.head("ns", f"{name}-head-x") for name in (OLD, NEW)
        }
        self.heads[OLD].was_up = True
        kubelet = SimpleNamespace(
            clusters_of_ray=self.clusters, services=self.services, services_of_ray=self.owners
        )
        scene = SimpleNamespace(kubelet=kubelet, rays=self.rays, namespace="ns")
        self.owners.put(NAME, spec={})
        self.clusters.put(OLD)
        self.guard = Guard(cast("ServiceScene", scene))

    def select(self, cluster: str) -> None:
        self.services.put(SERVE, spec={"selector": {"ray.io/cluster": cluster}})

    def send(self, cluster: str, price: int) -> None:
        stand: JsonObject = {"name": "MangoStand", "user_config": {"price": price}}
        config: JsonObject = {"applications": [{"name": "fruit_app", "deployments": [stand]}]}
        self.heads[cluster].received.append(config)


def test_an_upgrade_as_it_should_be_breaks_nothing() -> None:
    stage = Stage()
    stage.send(OLD, 3)
    stage.select(OLD)
    stage.clusters.put(NEW)
    stage.send(NEW, 4)
    stage.heads[NEW].was_up = True
    stage.select(NEW)
    stage.clusters.drop(OLD)
    stage.guard.check_configs()
    assert stage.guard.broken == []


def test_traffic_to_a_cluster_that_was_never_ready_is_seen() -> None:
    stage = Stage()
    stage.select(NEW)
    assert stage.guard.broken == [f"{SERVE} selects {NEW}, which was never ready"]


def test_the_end_of_a_cluster_that_serves_is_seen() -> None:
    stage = Stage()
    stage.select(OLD)
    stage.clusters.drop(OLD)
    assert stage.guard.broken == [f"{OLD} is deleted, and {SERVE} selects it"]


def test_a_suspended_service_may_end_its_cluster() -> None:
    stage = Stage()
    stage.select(OLD)
    stage.owners.put(NAME, spec={"suspend": True})
    stage.clusters.drop(OLD)
    assert stage.guard.broken == []


def test_the_config_of_a_successor_is_seen() -> None:
    stage = Stage()
    stage.send(OLD, 3)
    stage.send(OLD, 4)
    stage.guard.check_configs()
    assert stage.guard.broken == [f"{OLD} was sent the prices ['3', '4']"]


def test_a_third_cluster_that_does_not_drain_is_seen() -> None:
    stage = Stage()
    stage.clusters.put(NEW)
    assert stage.guard.broken == []
    stage.clusters.put("third")
    assert len(stage.guard.broken) == 1
