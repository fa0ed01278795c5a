"""One namespace that a random walk goes through: what was asked for, and whether that is there.

A lane is a model of specs (plain counts), the user's acts upon them, an operator behind a fault
proxy, and the comparison: objects by count, Services by whom they select, statuses by the pods.
"""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

from faults.comparison import read_state
from faults.faults import Fault
from faults.service_play import IMPATIENT, Life, a_life
from faults.service_scenarios import NAME, OLD_PRICE, SERVE
from ray_operator.api import labels
from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_int,
    get_object,
    get_objects,
    get_text,
    get_texts,
)
from ray_operator.operator.errors import AlreadyExists, NotFound
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import NAMESPACES, PODS
from support.builders import a_group, a_head
from support.control_plane import ControlPlane
from support.service_scene import ServiceScene, Status, a_service_scene
from support.witness import name_of

BOUND = timedelta(seconds=150)
"""Within which everything is as asked for once the faults are lifted; an upgrade drains for 20 s,
an expectation that never comes true is given up after 30 s, and the machine may be busy."""
LOOK_SECONDS = 1.0
FIRST_VERSION = 100


@dataclass(slots=True)
class ClusterModel:
    """What was asked of a RayCluster."""

    groups: dict[str, int] = field(default_factory=lambda: {"small": 1})
    is_suspended: bool = False

    def spec(self) -> dict[str, JsonValue]:
        """Return the fields that acts change."""
        groups: list[JsonValue] = [a_group(name, n) for name, n in self.groups.items()]
        return {"workerGroupSpecs": groups, "suspend": self.is_suspended}

    def pods(self) -> Counter[str]:
        """Return how many pods each group should have."""
        if self.is_suspended:
            return Counter()
        return +Counter({"headgroup": 1, **self.groups})


@dataclass(slots=True)
class ServiceModel:
    """What was asked of the RayService."""

    version: int = FIRST_VERSION
    price: int = OLD_PRICE
    is_suspended: bool = False


@dataclass
class Lane:
    """See the module. Made by `a_lane`."""

    scene: ServiceScene
    clusters: dict[str, ClusterModel] = field(default_factory=dict)
    service: ServiceModel | None = None
    _faults: list[Fault] = field(default_factory=list)
    _life: Life | None = None
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _corpses: list[asyncio.Task[None]] = field(default_factory=list)

    # --- the operator -------------------------------------------------------------------------
    async def start(self, *faults: Fault) -> None:
        """Start an operator that meets `faults` from its start on."""
        self._faults = list(faults)
        self._stack = contextlib.AsyncExitStack()
        self._life = await self._stack.enter_async_context(a_life(self.scene, IMPATIENT, faults))

    async def kill(self) -> None:
        """Kill it, now."""
        if self._life is None:
            return
        self._life.proxy.sever()
        self._life.operator.die()
        await self._life.proxy.drained()
        self._corpses.append(asyncio.create_task(self._stack.aclose(), name="corpse"))
        self._life = None

    def inject(self, fault: Fault) -> None:
        """Let a fault act from now on."""
        assert self._life is not None
        self._faults.append(self._life.proxy.inject(fault))

    def lift_faults(self) -> None:
        """Let none act any more; what they did stays done."""
        assert self._life is not None
        for fault in self._faults:
            self._life.proxy.withdraw(fault)
        self._faults.clear()

    async def bury(self) -> None:
        """End everything that is left of the operators."""
        await self.kill()
        await asyncio.gather(*self._corpses)

    # --- what a user does ---------------------------------------------------------------------
    async def create_cluster(self, name: str) -> None:
        """Create a RayCluster with one worker."""
        model = self.clusters[name] = ClusterModel()
        document: JsonObject = {
            "apiVersion": RAYCLUSTERS.api_version,
            "kind": RAYCLUSTERS.kind,
            "metadata": {"name": name, "namespace": self.scene.namespace},
            "spec": {"rayVersion": "2.52.0", "headGroupSpec": a_head(), **model.spec()},
        }
        async with asyncio.timeout(BOUND.total_seconds()):
            while True:
                try:
                    await self.scene.kube.create(RAYCLUSTERS, document)
                except AlreadyExists:  # the last one of that name is still ending
                    await asyncio.sleep(LOOK_SECONDS)
                else:
                    return

    async def edit_cluster(self, name: str) -> None:
        """Bring the model's spec into the API server."""
        body: JsonObject = {"spec": self.clusters[name].spec()}
        await self.scene.kube.patch(RAYCLUSTERS, Key(self.scene.namespace, name), body)

    async def delete_cluster(self, name: str) -> None:
        """Delete a RayCluster."""
        del self.clusters[name]
        await self.scene.kube.delete(RAYCLUSTERS, Key(self.scene.namespace, name))

    async def create_service(self) -> None:
        """Apply the sample."""
        self.service = ServiceModel()
        await self.scene.apply(NAME, rayClusterDeletionDelaySeconds=0)
        await self.edit_service()

    async def edit_service(self) -> None:
        """Bring the model's spec into the API server."""
        model = self.service
        assert model is not None
        spec = get_object(await self.scene.service(NAME), "spec")
        lines = get_text(spec, "serveConfigV2").splitlines(keepends=True)
        number = next(n for n, line in enumerate(lines) if "price:" in line)
        lines[number] = f"{lines[number].split('price:', 1)[0]}price: {model.price}\n"
        await self.scene.edit(
            NAME,
            serveConfigV2="".join(lines),
            rayClusterConfig={"rayVersion": f"2.{model.version}.0"},
            suspend=model.is_suspended,
        )

    async def delete_service(self) -> None:
        """Delete the RayService."""
        self.service = None
        await self.scene.kube.delete(RAYSERVICES, Key(self.scene.namespace, NAME))

    async def delete_pod(self, nth: int) -> str:
        """Delete a pod, as a node that fails would; return which, "" if there is none."""
        pods = sorted(await self.scene.all(PODS), key=_group_and_name)
        if not pods:
            return ""
        pod = pods[nth % len(pods)]
        with contextlib.suppress(NotFound):
            await self.scene.kube.delete(PODS, Key(self.scene.namespace, name_of(pod)))
        return name_of(pod)

    # --- the comparison -----------------------------------------------------------------------
    async def until_as_asked(self) -> None:
        """Wait until everything is as the model says.

        Raises:
            AssertionError: it is not, and the text says in what.
        """
        wrong = ["nothing was read"]
        try:
            async with asyncio.timeout(BOUND.total_seconds()):
                while wrong:
                    wrong = await self._differences()
                    if wrong:
                        await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            writes = self._life.proxy.writes[-30:] if self._life is not None else []
            told = [f"in namespace {self.scene.namespace}:", *wrong, "written last:"]
            raise AssertionError("\n".join([*told, *map(str, writes)])) from None

    async def _differences(self) -> list[str]:
        pods = await self.scene.all(PODS)
        wrong = [f"pod {name_of(p)} is ending" for p in pods if _is_ending(p)]
        by_cluster: dict[str, list[JsonObject]] = {}
        for pod in pods:
            by_cluster.setdefault(_label(pod, labels.CLUSTER), []).append(pod)
        clusters = {name_of(c): c for c in await self.scene.all(RAYCLUSTERS)}
        for name, model in self.clusters.items():
            found = clusters.pop(name, None)
            there = by_cluster.pop(name, [])
            wrong += _of_cluster(name, model, found, there)
        wrong += await self._of_service(clusters, by_cluster)
        wrong += [f"pods of nobody: {name} has {len(rest)}" for name, rest in by_cluster.items()]
        if wrong:
            return wrong
        await self.scene.kubelet.collect_garbage()
        state = await read_state(self.scene.kube, self.scene.namespace)
        return [f"orphan: {o}" for o in state.orphans] + [f"ending: {e}" for e in state.ending]

    async def _of_service(
        self, clusters: dict[str, JsonObject], pods: dict[str, list[JsonObject]]
    ) -> list[str]:
        """Compare the RayService with the clusters that are not the user's own."""
        model = self.service
        services = await self.scene.all(RAYSERVICES)
        if len(services) != (model is not None):
            return [f"{len(services)} RayServices are there"]
        if model is None or model.is_suspended:
            left = [f"RayCluster {name} is left over" for name in clusters]
            is_serving = model is not None and await self.scene.selected(SERVE)
            return [*left, *(["the serve Service is left over"] if is_serving else [])]
        versions = [get_text(get_object(c, "spec"), "rayVersion") for c in clusters.values()]
        if versions != [f"2.{model.version}.0"]:
            return [f"the service's clusters have the versions {versions}, not 2.{model.version}"]
        (name,) = clusters
        status = Status(get_object(services[0], "status"))
        there = pods.pop(name, [])
        asked: list[tuple[str, object, object]] = [
            ("pods", len(there), 2),
            ("active cluster", status.active, name),
            ("selected cluster", await self.scene.selected(SERVE), name),
            ("is running", status.is_running, True),
            ("endpoints", status.endpoints, 2),
            ("price", self._price(there), model.price),
        ]
        return [
            f"the service: {what} is {found}, not {want}"
            for what, found, want in asked
            if found != want
        ]

    def _price(self, pods: list[JsonObject]) -> object:
        """Return the price in the last config that the head, as it is now, was sent."""
        for pod in pods:
            if _label(pod, labels.NODE_TYPE) == labels.HEAD:
                head = self.scene.rays.head(self.scene.namespace, name_of(pod))
                config = head.received[-1] if head.received else {}
                for fruit in get_objects(config, "applications")[:1]:
                    stand = get_objects(fruit, "deployments")[0]
                    return get_object(stand, "user_config").get("price")
        return None


def _of_cluster(
    name: str, model: ClusterModel, found: JsonObject | None, pods: list[JsonObject]
) -> list[str]:
    if found is None:
        return [f"RayCluster {name} is not there"]
    status = get_object(found, "status")
    there = Counter(_label(pod, labels.GROUP) for pod in pods)
    workers = 0 if model.is_suspended else sum(model.groups.values())
    asked: list[tuple[str, object, object]] = [
        ("pods", +there, model.pods()),
        ("state", get_text(status, "state"), "suspended" if model.is_suspended else "ready"),
        ("ready workers", get_int(status, "readyWorkerReplicas"), workers),
        ("available workers", get_int(status, "availableWorkerReplicas"), workers),
        (
            "observed generation",
            get_int(status, "observedGeneration"),
            get_int(get_object(found, "metadata"), "generation"),
        ),
    ]
    return [f"{name}: {what} is {seen}, not {want}" for what, seen, want in asked if seen != want]


def _label(document: JsonObject, name: str) -> str:
    return get_texts(get_object(document, "metadata"), "labels").get(name, "")


def _group_and_name(pod: JsonObject) -> tuple[str, str]:
    return _label(pod, labels.GROUP), name_of(pod)


def _is_ending(document: JsonObject) -> bool:
    return "deletionTimestamp" in get_object(document, "metadata")


@contextlib.asynccontextmanager
async def a_lane(plane: ControlPlane, kube: Kube) -> AsyncIterator[Lane]:
    """A lane of its own, with an operator at work."""
    namespace = f"walk-{secrets.token_hex(4)}"
    await kube.create(NAMESPACES, {"metadata": {"name": namespace}})
    async with a_service_scene(plane, kube, namespace) as scene:
        lane = Lane(scene)
        await lane.start()
        try:
            yield lane
        finally:
            await lane.bury()
    await kube.delete(NAMESPACES, Key("", namespace))
