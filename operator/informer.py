"""One kind, kept in a store by list and watch, with handlers that put keys on queues.

The official client's own informer is not usable here: it fails on custom resources, has no
back-off (4,460 requests a second against empty answers), no client-side time-out, no bookmarks,
and keeps every object as a generated model of 122 kB a pod (spec/python-client-faults.md, 2).
This one keeps *views*: small frozen objects that a projection makes while reading, 2 kB a pod.

What it promises:

- `store` always holds one state that each object really had, and soon the latest;
- an event that is replayed or comes out of order changes nothing: lives are told apart by UID,
  and a listed object is the truth even if its version looks older (etcd was restored);
- each difference is told to each handler once, in order, also what happened during a gap;
- one object that can't be read, or a handler that fails, harms no other.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Generic, TypeVar

from ray_operator.operator.clock import Clock, SystemClock
from ray_operator.operator.documents import JsonObject, get_object, get_text
from ray_operator.operator.errors import KubeError
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.logs import Logger
from ray_operator.operator.reflector import IDLE, Reflector, Scope
from ray_operator.operator.resources import Resource
from ray_operator.operator.store import Indexer, Store, View

log = Logger(__name__)

V = TypeVar("V", bound=View)
Handler = Callable[[V | None, V | None], None]


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
        spaces = namespaces if namespaces and resource.namespaced else ("",)
        self._reflectors = tuple(
            Reflector(
                kube,
                Scope(resource, space, selector, is_essential),
                self,
                clock or SystemClock(),
                idle=idle,
            )
            for space in spaces
        )

    @property
    def has_synced(self) -> bool:
        """Whether `store` has held the whole truth once."""
        return all(reflector.has_synced for reflector in self._reflectors)

    @property
    def is_unavailable(self) -> bool:
        """Whether the API or the permission is missing, at least in one namespace."""
        return any(reflector.is_unavailable for reflector in self._reflectors)

    @property
    def error(self) -> KubeError | None:
        """Why the cache is not fresh at the moment; `None` if it is."""
        return next((r.error for r in self._reflectors if r.error is not None), None)

    @property
    def age(self) -> timedelta:
        """How long ago the API server last sent a byte; of several watches the worst."""
        return max(reflector.age for reflector in self._reflectors)

    def on_change(self, handler: Handler[V]) -> None:
        """Call `handler(old, new)` for each change: old None = added, new None = deleted.

        Handlers must return at once (put a key on a queue) and are called in the event loop.
        After a gap in the watch, a deletion is told with the last known view.  A handler that
        comes late is told of what there is.
        """
        self._handlers.append(handler)
        for view in self.store.values():
            self._tell_one(handler, None, view)

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
        """Take an object; an event that is no news is ignored."""
        key = _key(document)
        try:
            view = self._project(document)
        except Exception as error:
            log.exception(
                "an object can't be read and is left out",
                resource=str(self.resource),
                object=str(key),
                error=str(error),
            )
            return key
        old = self.store.get(key)
        if old is None or old.uid != view.uid:
            self._replace(old, view)
        elif old.resource_version != view.resource_version and (listed or not _older(view, old)):
            self.store.put(view)
            self._tell(old, view)
        return key

    def remove(self, document: JsonObject) -> None:
        """Drop an object, unless another life of it is cached."""
        key = _key(document)
        old = self.store.get(key)
        if old is not None and old.uid == get_text(get_object(document, "metadata"), "uid"):
            self.store.remove(key)
            self._tell(old, None)

    def keep_only(self, namespace: str, keys: set[Key]) -> None:
        """Drop what a complete list did not hold."""
        for view in self.store.values():
            if view.key not in keys and namespace in {"", view.key.namespace}:
                self.store.remove(view.key)
                self._tell(view, None)

    def _replace(self, old: V | None, new: V) -> None:
        """Insert; if another life of that name was cached, tell of its end first."""
        self.store.put(new)
        if old is not None:
            self._tell(old, None)
        self._tell(None, new)

    def _tell(self, old: V | None, new: V | None) -> None:
        for handler in self._handlers:
            self._tell_one(handler, old, new)

    def _tell_one(self, handler: Handler[V], old: V | None, new: V | None) -> None:
        try:
            handler(old, new)
        except Exception as error:
            log.exception("a handler failed", resource=str(self.resource), error=str(error))


def _key(document: JsonObject) -> Key:
    metadata = get_object(document, "metadata")
    return Key(get_text(metadata, "namespace"), get_text(metadata, "name"))


def _older(new: View, old: View) -> bool:
    """Tell whether an event is behind the cache.

    Versions are opaque by contract, but all servers count in integers (KEP-5504 makes it official);
    where they don't, an event counts as news.
    """
    left, right = new.resource_version, old.resource_version
    return left.isdecimal() and right.isdecimal() and int(left) < int(right)
