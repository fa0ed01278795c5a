"""One kind, kept in a store by list and watch, with handlers that put keys on queues.

The official client's own informer is not usable here: it fails on custom resources, has no
back-off (4,460 requests a second against empty answers), no client-side time-out, no bookmarks,
and keeps every object as a generated model of 122 kB a pod (spec/python-client-faults.md, 2).
This one keeps *views*: small frozen objects that a projection makes while reading, 2 kB a pod.

What it promises:

- `store` always holds one state that each object really had, and soon the latest;
- an event that is replayed or comes out of order changes nothing: lives are told apart by UID,
  and a listed object is the truth even if its version looks older (etcd was restored);
- each difference is told to each handler once, in order, also what happened during a gap: the
  `old` of a call is the `new` of the one before, and each life of an object ends once;
- an object that can't be read harms no other, is never taken for deleted, and is told of: what was
  last understood of it stays in the store, `unreadable` says why that is not the latest;
- a handler that fails harms no other.  Handlers run in the event loop, between two events: there is
  one loop for all work, so a queue between reader and handler would only move the wait.  They
  put keys on queues, which takes microseconds; one that keeps the loop waiting is named in the log.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from ray_operator.operator import metrics
from ray_operator.operator.clock import Clock, SystemClock
from ray_operator.operator.complaints import Complaints
from ray_operator.operator.documents import JsonObject, get_object, get_text
from ray_operator.operator.errors import KubeError
from ray_operator.operator.keys import Key, ObjectRef
from ray_operator.operator.kube import Kube
from ray_operator.operator.logs import Logger
from ray_operator.operator.reflector import IDLE, Reflector, Scope
from ray_operator.operator.resources import Resource
from ray_operator.operator.store import Indexer, Store, View
from ray_operator.operator.versions import is_older

log = Logger(__name__)

V = TypeVar("V", bound=View)
Handler = Callable[[V | None, V | None], None]

LONGEST_HANDLER_SECONDS = 0.25
"""A handler that takes longer does what belongs into a reconcile.  Far above a pause of the garbage
collector, far below what a lease or a probe can bear."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object of which the latest version could not be made a view, and why."""

    ref: ObjectRef
    error: str


class Informer(Generic[V]):
    """Keeps `store` equal to the cluster and tells of each difference.

    Args:
        kube: the API server.
        resource: the kind.
        project: makes a view of an object as the API server sends it; pure.
        selector: label selector; "" = all objects.
        namespaces: where to look; empty = everywhere. Each has a watch of its own.
        indexes: by what `store.by_index` can be asked.
        clock: measures silence and rests.
        is_essential: see `Scope`.
        idle: a watch on which nothing comes for so long, not even a bookmark, is given up.
    """

    def __init__(  # noqa: PLR0913 - what to watch is one thought; the options are keyword-only
        self,
        kube: Kube,
        resource: Resource,
        project: Callable[[JsonObject], V],
        *,
        selector: str = "",
        namespaces: tuple[str, ...] = (),
        indexes: Mapping[str, Indexer[V]] | None = None,
        clock: Clock | None = None,
        is_essential: bool = False,
        idle: timedelta = IDLE,
    ) -> None:
        self.resource = resource
        self.store: Store[V] = Store(indexes)
        self._project = project
        self._handlers: list[Handler[V]] = []
        self._unreadable: dict[Key, Unreadable] = {}
        self._on_unreadable: list[Callable[[Unreadable], None]] = []
        self._clock = clock or SystemClock()
        self._object_complaints = Complaints(self._clock)
        self._handler_complaints = Complaints(self._clock)
        spaces = dict.fromkeys(namespaces) if namespaces and resource.namespaced else ("",)
        self._reflectors = tuple(
            Reflector(
                kube,
                Scope(resource, space, selector, is_essential),
                self,
                self._clock,
                idle=idle,
            )
            for space in spaces
        )
        self._count_unreadable()

    @property
    def has_synced(self) -> bool:
        """Whether `store` has held the whole truth once."""
        return all(reflector.has_synced for reflector in self._reflectors)

    @property
    def is_unavailable(self) -> bool:
        """Whether the API or the permission is missing, at least in one namespace."""
        return any(reflector.is_unavailable for reflector in self._reflectors)

    @property
    def is_refused(self) -> bool:
        """As `is_unavailable`, though the process can't do without it and waits."""
        return any(reflector.is_refused for reflector in self._reflectors)

    @property
    def is_settled(self) -> bool:
        """Whether `store` holds, or has held, all that can be had."""
        return all(reflector.settled.is_set() for reflector in self._reflectors)

    @property
    def error(self) -> KubeError | None:
        """Why the cache is not fresh at the moment; `None` if it is."""
        return next((r.error for r in self._reflectors if r.error is not None), None)

    @property
    def age(self) -> timedelta:
        """How long ago the API server last sent a byte; of several watches the worst.

        A watch that can't be had (no such API, no permission) has no age.
        """
        ages = (r.age for r in self._reflectors if not r.is_unavailable)
        return max(ages, default=timedelta())

    @property
    def silence(self) -> timedelta:
        """How long the worst watch that was once at work has had no answer, not even a refusal."""
        return max((r.silence for r in self._reflectors if r.has_synced), default=timedelta())

    @property
    def unreadable(self) -> Mapping[Key, Unreadable]:
        """The objects whose latest version is not in `store`."""
        return dict(self._unreadable)

    def on_change(self, handler: Handler[V]) -> None:
        """Call `handler(old, new)` for each change: old None = added, new None = deleted.

        Handlers must return at once (put a key on a queue) and are called in the event loop.
        After a gap in the watch, a deletion is told with the last known view.  A handler that
        comes late is told of what there is.
        """
        self._handlers.append(handler)
        for view in self.store.values():
            self._call(handler, None, view)

    def on_unreadable(self, handler: Callable[[Unreadable], None]) -> None:
        """Call `handler` for each version of an object that can't be read."""
        self._on_unreadable.append(handler)

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors:
                group.create_task(reflector.run(), name=f"reflector {reflector.scope.resource}")

    async def wait_until_settled(self) -> None:
        """Wait until the cache is filled, or known not to be fillable."""
        for reflector in self._reflectors:
            await reflector.settled.wait()

    # -- the reflectors' sink

    def put(self, document: JsonObject, *, listed: bool) -> Key:
        """Take an object; what is no news is ignored, before anything is made of it."""
        metadata = get_object(document, "metadata")
        key = _key(metadata)
        known = self.store.get(key)
        if (
            known is None
            or known.resource_version != get_text(metadata, "resourceVersion")
            or known.uid != get_text(metadata, "uid")
        ):
            try:
                self._accept(self._view(document, key), known, listed=listed)
            except Exception as error:
                if self._leave_out(metadata, key, error) and self._object_complaints.is_due():
                    log.exception(
                        "an object can't be read; what was read of it before stays in use",
                        resource=str(self.resource),
                        object=str(key),
                        unreadable=len(self._unreadable),
                        error=str(error),
                    )
                return key
        if key in self._unreadable:
            self._forget_unreadable(key)
        return key if known is None else known.key  # one tuple an object, though a list has many

    def remove(self, document: JsonObject) -> Key:
        """Drop an object, unless another life of it is cached, or a later state."""
        metadata = get_object(document, "metadata")
        key = _key(metadata)
        uid, version = get_text(metadata, "uid"), get_text(metadata, "resourceVersion")
        old = self.store.get(key)
        if old is not None and old.uid == uid and not is_older(version, old.resource_version):
            self.store.remove(key)
            self._tell(old, None)
        if key in self._unreadable and self._unreadable[key].ref.uid == uid:
            self._forget_unreadable(key)
        return key

    def keep_only(self, namespace: str, keys: set[Key]) -> None:
        """Drop what a complete list did not hold."""
        for view in self.store.values():
            if view.key not in keys and namespace in {"", view.key.namespace}:
                self.store.remove(view.key)
                self._tell(view, None)
        for key in tuple(self._unreadable):
            if key not in keys and namespace in {"", key.namespace}:
                self._forget_unreadable(key)

    def _view(self, document: JsonObject, key: Key) -> V:
        view = self._project(document)
        if view.key != key:
            raise ValueError(f"its view is called {view.key}")
        return view

    def _accept(self, view: V, old: V | None, *, listed: bool) -> None:
        if old is None or old.uid != view.uid:
            self._replace(old, view)
        elif listed or not is_older(view.resource_version, old.resource_version):
            self.store.put(view)
            self._tell(old, view)

    def _replace(self, old: V | None, new: V) -> None:
        """Insert; if another life of that name was cached, tell of its end first."""
        self.store.put(new)
        if old is not None:
            self._tell(old, None)
        self._tell(None, new)

    def _leave_out(self, metadata: JsonObject, key: Key, error: Exception) -> bool:
        """Remember and tell that an object can't be read; return whether that is news.

        What was read of this life before stays: an object must never look deleted that is not.
        """
        uid, version = get_text(metadata, "uid"), get_text(metadata, "resourceVersion")
        old = self.store.get(key)
        if old is not None and old.uid != uid:  # that one is gone for certain
            self.store.remove(key)
            self._tell(old, None)
        kind = self.resource
        found = Unreadable(ObjectRef(kind.api_version, kind.kind, *key, uid, version), str(error))
        if self._unreadable.get(key) == found:
            return False
        self._unreadable[key] = found
        self._count_unreadable()
        for handler in self._on_unreadable:
            self._call(handler, found)
        return True

    def _forget_unreadable(self, key: Key) -> None:
        self._unreadable.pop(key, None)
        self._count_unreadable()

    def _count_unreadable(self) -> None:
        metrics.UNREADABLE_OBJECTS.labels(str(self.resource)).set(len(self._unreadable))

    def _tell(self, old: V | None, new: V | None) -> None:
        for handler in self._handlers:
            self._call(handler, old, new)

    def _call(self, handler: Callable[..., None], *about: object) -> None:
        """Call a handler; that it fails or dawdles is its own affair, and said."""
        started = self._clock.monotonic()
        try:
            handler(*about)
        except Exception as error:
            if self._handler_complaints.is_due():
                log.exception(
                    "a handler failed",
                    resource=str(self.resource),
                    handler=_name(handler),
                    error=str(error),
                )
        seconds = self._clock.monotonic() - started
        if seconds > LONGEST_HANDLER_SECONDS and self._handler_complaints.is_due():
            log.warning(
                "a handler is slow; while it works nothing else does",
                resource=str(self.resource),
                handler=_name(handler),
                seconds=round(seconds, 3),
            )


def _key(metadata: JsonObject) -> Key:
    return Key(get_text(metadata, "namespace"), get_text(metadata, "name"))


def _name(handler: Callable[..., None]) -> str:
    return f"{handler.__module__}.{getattr(handler, '__qualname__', repr(handler))}"
