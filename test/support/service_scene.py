"""A RayService on a real API server: both controllers, a played kubelet, fake Rays.

`a_service_scene` starts all but the operator; `scene.operator()` runs one until the body ends,
which may be in the middle of anything: the next one finds what it left.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ray_operator.api import labels
from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    copy_document,
    get_int,
    get_object,
    get_objects,
    get_text,
    get_texts,
)
from ray_operator.operator.errors import NotFound
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import EVENTS, SERVICES, Resource
from ray_operator.operator.settings import Settings
from support.control_plane import ControlPlane
from support.dashboard import FakeRays
from support.kubelet import Kubelet, RawView, a_kubelet, project
from support.operator_in_process import RunningOperator, a_running_operator

SAMPLE = Path(__file__).parents[2] / "config" / "samples" / "ray_v1alpha1_rayservice.yaml"
PATIENCE_SECONDS = 60.0
"""What is waited for takes 10 s at most on an idle machine."""
LOOK_SECONDS = 0.1


@dataclass
class ServiceScene:
    """One namespace with everything in it."""

    plane: ControlPlane
    kube: Kube
    namespace: str
    kubelet: Kubelet
    rays: FakeRays
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at each change of a pod, Service, RayCluster or RayService; whoever waits clears it."""
    _listeners: list[Callable[[RawView | None, RawView | None], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        def tell(old: RawView | None, new: RawView | None) -> None:
            for listener in tuple(self._listeners):
                listener(old, new)

        self.kubelet.services_of_ray.on_change(tell)
        for informer in (self.kubelet.pods, self.kubelet.services, *self.kubelet.owners):
            informer.on_change(lambda _old, _new: self.changed.set())

    # --- what a user does ---------------------------------------------------------------------
    async def apply(self, name: str = "rayservice-sample", **spec: JsonValue) -> None:
        """Create the sample's RayService; `spec` replaces fields."""
        document = yaml.safe_load(SAMPLE.read_text())
        document["apiVersion"] = RAYSERVICES.api_version
        document["metadata"] = {"name": name, "namespace": self.namespace}
        document["spec"].update(spec)
        await self.kube.create(RAYSERVICES, document)

    async def edit(self, name: str = "rayservice-sample", **spec: JsonValue) -> None:
        """Change fields of the spec."""
        await self.kube.patch(RAYSERVICES, Key(self.namespace, name), {"spec": spec})

    async def edit_config(self, old: str, new: str, name: str = "rayservice-sample") -> None:
        """Change a piece of the Serve config's text."""
        text = get_text(get_object(await self.service(name), "spec"), "serveConfigV2")
        assert old in text
        await self.edit(name, serveConfigV2=text.replace(old, new))

    async def set_head_image(self, image: str, name: str = "rayservice-sample") -> None:
        """Change the image of the head."""
        found = copy_document(get_object(await self.service(name), "spec", "rayClusterConfig"))
        containers = get_objects(
            get_object(found, "headGroupSpec", "template", "spec"), "containers"
        )
        template: JsonObject = {"spec": {"containers": [{**containers[0], "image": image}]}}
        await self.edit(name, rayClusterConfig={"headGroupSpec": {"template": template}})

    # --- what a test asks ---------------------------------------------------------------------
    async def service(self, name: str = "rayservice-sample") -> JsonObject:
        """Return the RayService."""
        return await self.kube.get(RAYSERVICES, Key(self.namespace, name))

    async def status(self, name: str = "rayservice-sample") -> "Status":
        """Return its status."""
        return Status(get_object(await self.service(name), "status"))

    async def all(self, resource: Resource) -> tuple[JsonObject, ...]:
        """Return every object of a kind in the namespace."""
        pages = self.kube.list_pages(resource, namespace=self.namespace)
        return tuple([item async for page in pages for item in page.items])

    async def clusters(self) -> tuple[str, ...]:
        """Return the names of all RayClusters."""
        return tuple(
            get_text(get_object(d, "metadata"), "name") for d in await self.all(RAYCLUSTERS)
        )

    async def selected(self, name: str) -> str:
        """Return the cluster that a Service selects; "" if there is no such Service."""
        try:
            found = await self.kube.get(SERVICES, Key(self.namespace, name))
        except NotFound:
            return ""
        return get_texts(get_object(found, "spec"), "selector").get(labels.CLUSTER, "")

    async def warnings(self, name: str = "rayservice-sample") -> list[tuple[str, str]]:
        """Return reason and note of the Warning events about a RayService."""
        return [
            (get_text(event, "reason"), get_text(event, "note"))
            for event in await self.all(EVENTS)
            if get_text(event, "type") == "Warning"
            and get_text(get_object(event, "regarding"), "name") == name
        ]

    async def until(
        self, holds: Callable[["Status"], bool], name: str = "rayservice-sample"
    ) -> "Status":
        """Wait until the status is such, be it for a moment only, and return it."""
        found: asyncio.Future[Status] = asyncio.get_running_loop().create_future()

        def see(_old: RawView | None, new: RawView | None) -> None:
            if new is None or new.key.name != name or found.done():
                return
            status = Status(get_object(new.document, "status"))
            if holds(status):
                found.set_result(status)

        with self._told(see):
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not found.done():
                        # `holds` may ask for more than the status, of which no watch tells.
                        see(None, project(await self.service(name)))
                        await asyncio.wait({found}, timeout=LOOK_SECONDS)
            except TimeoutError:
                text = f"it did not come about: {(await self.status(name)).document}"
                raise AssertionError(text) from None
        return found.result()

    async def until_clusters(self, count: int) -> None:
        """Wait until there are that many RayClusters."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(await self.clusters()) != count:  # noqa: ASYNC110 - the API server is asked
                await asyncio.sleep(LOOK_SECONDS)

    async def until_warned(self, text: str) -> None:
        """Wait until a Warning event says so: events are written in the background."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(text in note for _, note in await self.warnings()):  # noqa: ASYNC110 - as above
                await asyncio.sleep(LOOK_SECONDS)

    async def until_selected(self, cluster: str, *services: str) -> None:
        """Wait until each of the Services selects that cluster."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            for service in services:
                while await self.selected(service) != cluster:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(LOOK_SECONDS)

    def price(self, cluster: str) -> JsonValue:
        """Return the price of mangos in the last config that a cluster was sent."""
        (fruit, _) = get_objects(self.rays.received(cluster)[-1], "applications")
        return get_object(get_objects(fruit, "deployments")[0], "user_config").get("price")

    @contextlib.contextmanager
    def _told(self, see: Callable[[RawView | None, RawView | None], None]) -> Iterator[None]:
        """Call `see` for each change of a RayService inside the `with`."""
        self._listeners.append(see)
        try:
            yield
        finally:
            self._listeners.remove(see)

    # --- the operator -------------------------------------------------------------------------
    @contextlib.asynccontextmanager
    async def operator(self, settings: Settings | None = None) -> AsyncIterator[RunningOperator]:
        """Run both controllers; at the end they stop at once, whatever they are at."""
        async with a_running_operator(
            self.plane.kubeconfig, self.namespace, settings, locate=self.rays.locate
        ) as operator:
            operator.stop_at_once()
            yield operator

    def life_of(self, namespace: str, pod: str) -> str:
        """Return the UID of a pod; "" if there is none."""
        found = self.kubelet.pods.store.get(Key(namespace, pod))
        return found.uid if found is not None else ""

    def node_ips(self, _namespace: str, head: str) -> Iterable[str]:
        """Return the addresses of all pods of a head's cluster."""
        pods = self.kubelet.pods.store.values()
        heads = [p for p in pods if p.key.name == head]
        cluster = get_texts(heads[0].metadata, "labels")[labels.CLUSTER] if heads else ""
        return [
            get_text(get_object(p.document, "status"), "podIP")
            for p in pods
            if get_texts(p.metadata, "labels").get(labels.CLUSTER) == cluster
        ]


@dataclass(frozen=True, slots=True)
class Status:
    """A RayService's status, with the questions that tests ask."""

    document: JsonObject

    @property
    def active(self) -> str:
        """The name of the active cluster."""
        return get_text(get_object(self.document, "activeServiceStatus"), "rayClusterName")

    @property
    def pending(self) -> str:
        """The name of the pending cluster."""
        return get_text(get_object(self.document, "pendingServiceStatus"), "rayClusterName")

    @property
    def is_running(self) -> bool:
        """Whether it serves on its only cluster."""
        return get_text(self.document, "serviceStatus") == "Running" and not self.pending

    @property
    def endpoints(self) -> int:
        """How many pods serve."""
        return get_int(self.document, "numServeEndpoints")

    def message(self, type_: str) -> str:
        """Return the message of a condition."""
        return get_text(self.condition(type_), "message")

    def reason(self, type_: str) -> str:
        """Return the reason of a condition."""
        return get_text(self.condition(type_), "reason")

    def condition(self, type_: str) -> JsonObject:
        """Return a condition; empty if there is none."""
        listed = get_objects(self.document, "conditions")
        return next((c for c in listed if c["type"] == type_), {})


@contextlib.asynccontextmanager
async def a_service_scene(
    plane: ControlPlane, kube: Kube, namespace: str
) -> AsyncIterator[ServiceScene]:
    """Everything but the operator, at work."""
    async with FakeRays().serving() as rays, a_kubelet(kube, namespace) as kubelet:
        scene = ServiceScene(plane, kube, namespace, kubelet, rays)
        rays.node_ips = scene.node_ips
        rays.life_of = scene.life_of
        yield scene
