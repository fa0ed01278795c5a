"""Both reconcilers over caches that a test fills, in front of an API server that agrees to all.

No process, no network: what is put in has the shape of a list's items, and every write is encoded
as it would be sent.  For what a reconcile makes of objects, one pass at a time.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from ray_operator.controllers.build_options import build_options
from ray_operator.controllers.caches import Caches, build_caches
from ray_operator.controllers.dashboard.transport import Direct, Transport
from ray_operator.controllers.raycluster import wiring as raycluster_wiring
from ray_operator.controllers.rayservice import wiring as rayservice_wiring
from ray_operator.operator.controller import Reconciler
from ray_operator.operator.documents import JsonObject, JsonValue, encode, get_object, get_text
from ray_operator.operator.errors import AlreadyExists, NotFound
from ray_operator.operator.executor import Executor
from ray_operator.operator.expectations import Expectations
from ray_operator.operator.informer import Informer
from ray_operator.operator.keys import Key, ObjectRef
from ray_operator.operator.kube import Kube
from ray_operator.operator.notes import Note
from ray_operator.operator.parts import Parts
from ray_operator.operator.resources import Resource
from ray_operator.operator.settings import Settings
from ray_operator.operator.statuses import StatusWriter
from ray_operator.operator.store import Indexer, View
from ray_operator.operator.wire import Page, Written
from ray_operator.operator.workqueue import WorkQueue
from support.fake_clock import FakeClock

V = TypeVar("V", bound=View)


@dataclass
class AgreeableKube:
    """Takes everything; has what a test puts `there`."""

    there: dict[tuple[Resource, Key], JsonObject] = field(default_factory=dict)

    creations: list[tuple[Resource, JsonObject]] = field(default_factory=list)
    patches: list[tuple[Resource, Key, str, JsonValue]] = field(default_factory=list)
    deletions: list[tuple[Resource, Key]] = field(default_factory=list)

    async def get(self, resource: Resource, key: Key, **_: object) -> JsonObject:
        """Find what is there."""
        if (resource, key) in self.there:
            return self.there[resource, key]
        raise NotFound(f"there is no {resource} {key}")

    async def create(self, resource: Resource, manifest: JsonObject, **_: object) -> Written:
        """Take a manifest, unless something of that name is there."""
        encode(manifest)
        metadata = get_object(manifest, "metadata")
        key = Key(get_text(metadata, "namespace"), get_text(metadata, "name"))
        if (resource, key) in self.there:
            raise AlreadyExists(f"create {resource} {key}: it is there already")
        self.creations.append((resource, manifest))
        return Written(manifest)

    async def patch(
        self,
        resource: Resource,
        key: Key,
        body: JsonValue,
        *,
        subresource: str = "",
        **_: object,
    ) -> Written:
        """Take a patch."""
        encode(body)
        self.patches.append((resource, key, subresource, body))
        return Written({"metadata": {"resourceVersion": "0"}})

    async def delete(self, resource: Resource, key: Key, **_: object) -> None:
        """Delete it."""
        self.deletions.append((resource, key))

    async def list_pages(self, *_: object, **__: object) -> AsyncIterator[Page]:
        """List nothing."""
        return
        yield


@dataclass
class Told:
    """The events that were recorded."""

    notes: list[tuple[ObjectRef, Note]] = field(default_factory=list)

    def record(self, regarding: ObjectRef, note: Note) -> None:
        """See `Recorder`."""
        encode({"note": note.message})
        self.notes.append((regarding, note))


@dataclass
class Desk:
    """Both reconcilers, their caches, what they wrote and what they told."""

    clock: FakeClock
    kube: AgreeableKube
    told: Told
    statuses: StatusWriter
    caches: Caches
    rayclusters: Reconciler
    rayservices: Reconciler
    rayclusters_queue: WorkQueue
    rayservices_queue: WorkQueue


def a_desk(settings: Settings | None = None, transport: Transport | None = None) -> Desk:
    """Return a desk with nothing on it."""
    settings, clock, kube, told = settings or Settings(), FakeClock(), AgreeableKube(), Told()
    known = cast("Kube", kube)  # as much of one as reconcilers use
    expectations = Expectations(clock)

    def watch(
        resource: Resource,
        project: Callable[[JsonObject], V],
        *,
        indexes: Mapping[str, Indexer[V]] | None = None,
        **_: object,
    ) -> Informer[V]:
        return Informer(known, resource, project, indexes=indexes, clock=clock)

    parts = Parts(
        kube=known,
        clock=clock,
        settings=settings,
        executor=Executor(known, expectations),
        expectations=expectations,
        statuses=StatusWriter(known, clock),
        recorder=lambda _: told,
        start_background=lambda _, __: None,
        previous_renewal=lambda: None,
    )
    caches = build_caches(watch)
    clusters, services = _a_queue("rayclusters", clock), _a_queue("rayservices", clock)
    return Desk(
        clock=clock,
        kube=kube,
        told=told,
        statuses=parts.statuses,
        caches=caches,
        rayclusters=raycluster_wiring.wire(parts, caches, clusters),
        rayservices=rayservice_wiring.wire(
            parts,
            caches,
            services,
            build_options(settings),
            transport or Direct(),
        ),
        rayclusters_queue=clusters,
        rayservices_queue=services,
    )


def _a_queue(name: str, clock: FakeClock) -> WorkQueue:
    return WorkQueue(name, clock, workers=1)
