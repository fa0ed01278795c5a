"""One namespace with a RayCluster, and operators that live and die behind fault proxies."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from faults.comparison import State, read_state
from faults.faults import Fault, on_watch_from
from faults.guard import Guard
from faults.proxy import FaultProxy, a_fault_proxy
from ray_operator.controllers.caches import Caches, build_caches
from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.controllers.raycluster.wiring import wire
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    decode,
    get_object,
    get_objects,
    get_text,
)
from ray_operator.operator.errors import KubeError
from ray_operator.operator.informer import Informer
from ray_operator.operator.introduction import check_version
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.manager import Manager
from ray_operator.operator.resources import NAMESPACES, PODS, SERVICES, Resource
from ray_operator.operator.settings import Settings
from ray_operator.operator.store import View
from support.control_plane import ControlPlane
from support.kubelet import Kubelet, a_kubelet
from support.witness import Witness, a_witness

V = TypeVar("V", bound=View)

IDLE = timedelta(seconds=4)
"""A watch that is silent for so long is given up (in production 100 s)."""
TIMEOUT = timedelta(seconds=3)
"""A request that is not answered for so long is given up (in production 30 s)."""
REST = timedelta(seconds=1.5)
"""Nothing is written for so long once the end is reached."""
LOOK = timedelta(seconds=3)
"""A look lists every kind, which costs as much as a small scenario."""
PATIENCE = timedelta(seconds=90)
"""What an expectation that never comes true delays (30 s), twice, and a busy machine."""


@dataclass
class Life:
    """One operator, from its start to its death."""

    proxy: FaultProxy
    caches: Caches
    stack: contextlib.AsyncExitStack

    async def end(self) -> None:
        """Stop what is left of it; it does not finish anything."""
        await self.stack.aclose()


@dataclass
class World:
    """Everything of one combination. Made by `a_world`."""

    plane: ControlPlane
    kube: Kube
    namespace: str
    kubelet: Kubelet
    witness: Witness
    guard: Guard
    lists_by_pages: bool = False
    """Whether the operator's informers list by pages, as with an API server before 1.34."""
    lives: list[Life] = field(default_factory=list)
    _corpses: list[asyncio.Task[None]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        kubelet = self.kubelet
        for informer in (kubelet.pods, kubelet.services, kubelet.clusters_of_ray):
            informer.on_change(lambda _old, _new: self._changed.set())

    # -- operators

    @property
    def proxy(self) -> FaultProxy:
        """The proxy of the operator that lives."""
        return self.lives[-1].proxy

    async def start(self, *faults: Fault) -> Life:
        """Start an operator behind a new proxy, with faults that it meets from its start on."""
        async with contextlib.AsyncExitStack() as stack:
            proxy = await stack.enter_async_context(a_fault_proxy(self.plane))
            for fault in faults:
                proxy.inject(fault)
            caches = await stack.enter_async_context(self._operator(proxy))
            life = Life(proxy, caches, stack.pop_all())
        self.lives.append(life)
        return life

    async def start_and_watch(self) -> Life:
        """Start an operator, and wait until it watches."""
        life = await self.start()
        for resource in (PODS, RAYCLUSTERS, SERVICES):
            await life.proxy.until_asked(on_watch_from(resource.plural))
        return life

    async def kill(self) -> None:
        """Kill the operator that lives, now; its corpse decays beside whatever follows."""
        life = self.lives[-1]
        life.proxy.sever()
        await life.proxy.drained()
        self._corpses.append(asyncio.create_task(life.end(), name="corpse"))

    async def bury(self) -> None:
        """End everything that is left of the operators."""
        if self.lives and len(self._corpses) < len(self.lives):
            await self.kill()
        await asyncio.gather(*self._corpses)

    @contextlib.asynccontextmanager
    async def _operator(self, proxy: FaultProxy) -> AsyncIterator[Caches]:
        settings = Settings(
            kubeconfig=proxy.kubeconfig,
            watch_namespaces=(self.namespace,),
            enable_leader_election=False,
            identity="operator-of-the-test",
        )
        clock = SystemClock()
        kube = await Kube.connect(KubeOptions(proxy.kubeconfig, timeout=TIMEOUT), clock)
        await check_version(kube)
        if self.lists_by_pages:
            kube.streams_lists = False
        manager = Manager(kube, settings, clock, idle=IDLE)
        caches = build_caches(manager.watch)
        queue = manager.queue("raycluster")
        manager.control(wire(manager.parts, caches, queue), queue)
        work = asyncio.create_task(manager.run(), name="operator")
        try:
            yield caches
        finally:
            proxy.sever()
            await manager.stop(finish=timedelta())
            work.cancel()
            await asyncio.wait({work})
            await kube.close()

    # -- what a user does

    async def apply(self, document: JsonObject) -> None:
        """Create a RayCluster."""
        await self.kube.create(RAYCLUSTERS, document)

    async def edit(self, name: str = "demo", **spec: JsonValue) -> None:
        """Change fields of its spec."""
        await self.kube.patch(RAYCLUSTERS, Key(self.namespace, name), {"spec": spec})

    async def delete(self, name: str = "demo") -> None:
        """Delete it."""
        await self.kube.delete(RAYCLUSTERS, Key(self.namespace, name))

    # -- what a test waits for

    async def until_ready(self, name: str = "demo") -> None:
        """Wait until a RayCluster is ready and says so."""

        def look() -> bool:
            state = get_text(self.witness.status(name), "state")
            return state == "ready" and self.witness.is_true(name, "Ready")

        await self.witness.until(f"{name} is ready", look, PATIENCE)

    async def until_state(self, wanted: State) -> None:
        """Wait until everything is as `wanted`, and rests.

        Raises:
            AssertionError: it did not come about; the text tells the differences.
        """
        state = State({})
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                while True:
                    await self._until_rest(REST)
                    state = await self._look()
                    if state == wanted and await self._is_fresh():
                        return
                    await self._until_change()
        except TimeoutError:
            differences = wanted.differences(state) or "its caches never showed what is there"
            text = f"not within {PATIENCE}:\n{differences}"
            raise AssertionError(text) from None

    async def past(self, resource: Resource) -> JsonObject:
        """Return the list of a kind as the API server answers it now."""
        path = resource.path(self.namespace)
        return decode((await self.kube.raw("GET", path, timeout=TIMEOUT)).body)

    async def until_at_rest(self, rest: timedelta) -> State:
        """Wait until nothing has been written for so long; return what is there."""
        async with asyncio.timeout(PATIENCE.total_seconds()):
            await self._until_rest(rest)
        return await self._look()

    async def _look(self) -> State:
        await self.kubelet.collect_garbage()
        return await read_state(self.kube, self.namespace)

    async def _is_fresh(self) -> bool:
        """Tell whether the operator's caches show what the API server has: no watch is lost."""
        caches = self.lives[-1].caches
        return (
            _versions(caches.pods) == await self._true_versions(PODS)
            and _versions(caches.rayclusters) == await self._true_versions(RAYCLUSTERS)
            and _versions(caches.services) == await self._true_versions(SERVICES)
        )

    async def _true_versions(self, resource: Resource) -> set[tuple[str, str]]:
        found = get_objects(await self.past(resource), "items")
        metadata = [get_object(each, "metadata") for each in found]
        return {(get_text(m, "name"), get_text(m, "resourceVersion")) for m in metadata}

    async def _until_rest(self, rest: timedelta) -> None:
        """Wait until no operator has written anything for so long."""
        before = -1
        while before != (before := self._writes):  # noqa: ASYNC110 - rest is a matter of time
            await asyncio.sleep(rest.total_seconds())

    @property
    def _writes(self) -> int:
        return sum(len(life.proxy.writes) for life in self.lives)

    async def _until_change(self) -> None:
        """Wait until something changes in the namespace, or for a while: caches change unseen."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK.total_seconds()):
                await self._changed.wait()


def _versions(informer: Informer[V]) -> set[tuple[str, str]]:
    return {(view.key.name, view.resource_version) for view in informer.store.values()}


@contextlib.asynccontextmanager
async def a_world(plane: ControlPlane, kube: Kube) -> AsyncIterator[World]:
    """Everything but an operator, at work in a namespace of its own."""
    namespace = f"faults-{secrets.token_hex(4)}"
    await kube.create(NAMESPACES, {"metadata": {"name": namespace}})
    guard = Guard()
    async with a_kubelet(kube, namespace) as kubelet, a_witness(kube, namespace) as witness:
        guard.follow(kubelet)
        world = World(plane, kube, namespace, kubelet, witness, guard)
        try:
            yield world
        finally:
            await world.bury()
    with contextlib.suppress(KubeError):  # nobody finishes the deletion here anyway
        await kube.delete(NAMESPACES, Key("", namespace))
