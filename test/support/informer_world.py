"""An informer at work on a scripted API server, with all that it told: `World`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from ray_operator.operator.documents import JsonObject, get_object, get_text
from ray_operator.operator.informer import Informer
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import REQUEST_TIMEOUT, Kube
from ray_operator.operator.reflector import IDLE
from ray_operator.operator.resources import PODS, Resource
from support.api_server import Answer, ApiServer, event, stream
from support.fake_clock import FakeClock

PATH = "/api/v1/pods"


@dataclass(frozen=True, slots=True)
class PodView:
    key: Key
    uid: str
    resource_version: str
    label: str = ""


def project(document: JsonObject) -> PodView:
    """Read a pod; one that carries the label `unreadable` can't be read."""
    metadata = get_object(document, "metadata")
    labels = get_object(metadata, "labels")
    if "unreadable" in labels:
        raise ValueError("this object breaks the projection")
    return PodView(
        Key(get_text(metadata, "namespace"), get_text(metadata, "name")),
        get_text(metadata, "uid"),
        get_text(metadata, "resourceVersion"),
        get_text(labels, "label"),
    )


def by_label(view: PodView) -> Iterable[str]:
    """Index by label; the label `unindexable` breaks the index."""
    if view.label == "unindexable":
        raise ValueError("this object breaks the index")
    return (view.label,) if view.label else ()


@dataclass
class World:
    """An informer at work: what it was told, and how to make it go on."""

    server: ApiServer
    clock: FakeClock
    kube: Kube
    informer: Informer[PodView]
    told: list[str] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    @property
    def cached(self) -> dict[str, str]:
        """The versions in the store by name."""
        return {view.key.name: view.resource_version for view in self.informer.store.values()}

    @property
    def asked(self) -> list[str]:
        """The requests for pods so far: GET or WATCH."""
        return [r.method for r in self.server.requests if r.path == PATH]

    @property
    def positions(self) -> list[str]:
        """From where each watch was asked for."""
        watches = (r for r in self.server.requests if r.method == "WATCH")
        return [r.query.get("resourceVersion", "") for r in watches]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that comes over the network; rests pass by on the way."""
        async with asyncio.timeout(60):
            while not holds():
                assert self.task is None or not self.task.done(), "the informer has died"
                await asyncio.sleep(0.001)
                self.clock.skip()

    async def pass_time(self, turns: int = 4) -> None:
        """Let the informer get on with it for a moment; nothing may depend on how far it gets."""
        for _ in range(turns):
            await asyncio.sleep(0.001)
            self.clock.skip()

    async def until_resting(self) -> None:
        """Wait until the informer rests after a failure; the clock stands still."""
        async with asyncio.timeout(60):
            while not self.clock.sleepers:  # noqa: ASYNC110 - the clock has no event to wait for
                await asyncio.sleep(0.001)


@asynccontextmanager
async def watching(  # noqa: PLR0913 - options of the client and of the informer
    server: ApiServer,
    clock: FakeClock,
    resource: Resource = PODS,
    *,
    namespaces: tuple[str, ...] = (),
    is_essential: bool = False,
    idle: timedelta = IDLE,
    timeout: timedelta = REQUEST_TIMEOUT,  # noqa: ASYNC109 - an option of the client
    streams_lists: bool = False,
) -> AsyncIterator[World]:
    """Run an informer; it asks for nothing before the test waits for the first time."""
    async with server.connected(clock, timeout=timeout) as kube:
        kube.streams_lists = streams_lists
        informer = Informer(
            kube,
            resource,
            project,
            namespaces=namespaces,
            indexes={"label": by_label},
            clock=clock,
            is_essential=is_essential,
            idle=idle,
        )
        world = World(server, clock, kube, informer)
        informer.on_change(lambda old, new: world.told.append(describe(old, new)))
        world.task = asyncio.create_task(informer.run())
        try:
            yield world
        finally:
            world.task.cancel()
            await asyncio.gather(world.task, return_exceptions=True)


def describe(old: PodView | None, new: PodView | None) -> str:
    """Say what a handler was told."""
    if new is None:
        assert old is not None
        return f"deleted {old.key.name}"
    return f"{'changed' if old else 'added'} {new.key.name}"


def labelled(pod: JsonObject, **labels: str) -> JsonObject:
    """Return the pod with labels."""
    return {**pod, "metadata": {**get_object(pod, "metadata"), "labels": labels}}


def quiet(*events: JsonObject) -> Answer:
    """A watch that brings these events and then nothing, and stays open."""
    return stream(*events, then="hang")


def the_end(version: str = "50") -> JsonObject:
    """The bookmark that ends a streaming list."""
    ends: JsonObject = {"k8s.io/initial-events-end": "true"}
    return event("BOOKMARK", {"metadata": {"resourceVersion": version, "annotations": ends}})
