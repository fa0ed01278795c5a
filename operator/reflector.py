"""Copies one collection of the API server into a sink, for ever, whatever the network does.

What it survives, and how (P-numbers: spec/python-client-faults.md):

- a connection that is silent for ever (P1): the server is told to end each stream after 5 to 10
  minutes, and a stream without a byte for 100 s (bookmarks come once a minute) is given up;
- a position that is too old (P3), said as HTTP status, as ERROR event or as a bare Status: the
  collection is listed again, after a jittered rest;
- streams that end at once or bring nothing (P4): back-off, and after two of them a new list;
- deletions that were missed (P6): after a list the sink drops what was not in it;
- a cold list of 10,000 pods (P15): a streaming list where the server offers it, else pages of
  100, each handed on before the next is read.

A position (resourceVersion) is opaque and comes from the list's own metadata or from the events
and bookmarks of the stream that it is used on; never from the items of a list.
"""

import asyncio
import random
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from ray_operator.operator import metrics
from ray_operator.operator.clock import Clock
from ray_operator.operator.complaints import Complaints
from ray_operator.operator.documents import JsonObject, get_object, get_text
from ray_operator.operator.errors import (
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    NotSent,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.logs import Logger
from ray_operator.operator.ratelimits import Backoff
from ray_operator.operator.resources import Resource
from ray_operator.operator.wire import WatchEvent, WatchRequest

log = Logger(__name__)

LIFE_SECONDS = (300, 600)
"""The server ends a stream after a random time in this range, so that streams don't end together
(client-go's range)."""

IDLE = timedelta(seconds=100)
"""Bookmarks come every 60 s, with 25 % jitter: a stream that is quiet for longer is dead."""

REST = Backoff(first=timedelta(seconds=0.8), ceiling=timedelta(seconds=30), jitter=0.5)
"""client-go's back-off for lists and watches."""

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends a streaming list."""

SHORT_SECONDS = 1.0
"""A stream that brings nothing and ends sooner is a failure, though its status was 200."""

FRUITLESS_STREAMS = 2
"""So many of those in a row, and the position is not to be trusted."""


class Sink(Protocol):
    """Where the objects go."""

    def put(self, document: JsonObject, *, listed: bool) -> Key:
        """Take an object: from a list (then it is the truth) or from an event (maybe replayed)."""
        ...

    def remove(self, document: JsonObject) -> None:
        """Drop an object that an event says is deleted."""
        ...

    def keep_only(self, namespace: str, keys: set[Key]) -> None:
        """Drop what a complete list of `namespace` ("" = all) did not hold."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects: of one kind, in one namespace ("" = all), matching a label selector.

    `is_essential` says that nothing can be decided without them: a missing permission is then a
    fault to wait out, not a feature less.
    """

    resource: Resource
    namespace: str = ""
    selector: str = ""
    is_essential: bool = False


class Reflector:
    """Lists and watches one scope; `run` ends only by cancellation.

    `error` is why there is no fresh data at the moment, `None` if there is.  `settled` is set as
    soon as it is known whether the scope can be read: after the first complete list, or when the
    API or the permission turns out to be missing.
    """

    def __init__(
        self, kube: Kube, scope: Scope, sink: Sink, clock: Clock, *, idle: timedelta = IDLE
    ) -> None:
        self.scope = scope
        self._idle = idle
        self.has_synced = False
        self.error: KubeError | None = None
        self.settled = asyncio.Event()
        self._kube = kube
        self._sink = sink
        self._clock = clock
        self._position = ""
        self._failures = 0
        self._heard_at = clock.monotonic()
        self._complaints = Complaints(clock)

    @property
    def is_unavailable(self) -> bool:
        """Whether the API or the permission is missing: a feature less, not a fault."""
        if isinstance(self.error, Forbidden):
            return not self.scope.is_essential
        return isinstance(self.error, NotFound)

    @property
    def age(self) -> timedelta:
        """How long ago the API server sent the last byte about this scope."""
        return timedelta(seconds=self._clock.monotonic() - self._heard_at)

    async def run(self) -> None:
        """List and watch until cancelled."""
        cause = "start"
        while True:
            metrics.RELISTS.labels(str(self.scope.resource), cause).inc()
            try:
                await self._list()
                cause = await self._follow()
            except KubeError as error:
                self._complain(error)
                cause = "error"
            await self._rest()

    async def _list(self) -> None:
        if not self._kube.streams_lists or not await self._list_by_watch():
            await self._list_by_pages()
        self._recover()

    async def _list_by_watch(self) -> bool:
        """Read a streaming list (KEP-3157); tell whether there was one to be had."""
        try:
            await self._read_initial_events()
        except Invalid:  # the server's gate is off
            self._kube.streams_lists = False
            return False
        except Forbidden:  # perhaps we may list, though not watch
            return False
        return True

    async def _read_initial_events(self) -> None:
        seen: set[Key] = set()
        events = self._kube.watch(self._request(position="", initial=True))
        async with aclosing(events):
            async for event in events:
                metadata = get_object(event.document, "metadata")
                if event.type != "BOOKMARK":
                    seen.add(self._sink.put(event.document, listed=True))
                elif INITIAL_EVENTS_END in get_object(metadata, "annotations"):
                    self._sink.keep_only(self.scope.namespace, seen)
                    self._position = get_text(metadata, "resourceVersion")
                    return
        raise Unreachable(f"list {self.scope.resource}: the stream ended before the list did")

    async def _list_by_pages(self) -> None:
        scope = self.scope
        seen: set[Key] = set()
        position = ""
        pages = self._kube.list_pages(
            scope.resource, namespace=scope.namespace, selector=scope.selector
        )
        async with aclosing(pages):
            async for page in pages:
                self._heard()
                position = page.resource_version
                seen.update([self._sink.put(item, listed=True) for item in page.items])
        if not position:
            raise Unreachable(f"list {scope.resource}: the answer has no resourceVersion")
        self._sink.keep_only(scope.namespace, seen)
        self._position = position

    async def _follow(self) -> str:
        """Watch, stream after stream; return why a new list is needed."""
        fruitless = 0
        while fruitless < FRUITLESS_STREAMS:
            before, started = self._position, self._clock.monotonic()
            try:
                await self._read_stream()
            except Gone:
                return "expired"
            except (Forbidden, Invalid, NotFound, Unauthorized):
                raise  # watching as such is impossible: list, for as long as that works
            except KubeError as error:
                self._complain(error)
                counts = not isinstance(error, NotSent | TooManyRequests)
                healthy = False
            else:
                counts = True
                healthy = True
            lived = self._clock.monotonic() - started
            if self._position != before or lived >= SHORT_SECONDS:
                self._failures = fruitless = 0
                if healthy:
                    continue  # the server ended the stream, as we had asked it to
            elif counts:
                fruitless += 1
            await self._rest()
        return "fruitless"

    def _request(self, position: str, *, initial: bool = False) -> WatchRequest:
        return WatchRequest(
            resource=self.scope.resource,
            namespace=self.scope.namespace,
            selector=self.scope.selector,
            resource_version=position,
            life=timedelta(seconds=random.uniform(*LIFE_SECONDS)),  # noqa: S311 - no secret
            idle=self._idle,
            initial=initial,
            heard=self._heard,
        )

    async def _read_stream(self) -> None:
        events = self._kube.watch(self._request(self._position))
        async with aclosing(events):
            async for event in events:
                self._take(event)

    def _take(self, event: WatchEvent) -> None:
        match event.type:
            case "ADDED" | "MODIFIED":
                self._sink.put(event.document, listed=False)
            case "DELETED":
                self._sink.remove(event.document)
            case _:
                pass  # a bookmark; or a type of the future, whose position counts all the same
        metadata = get_object(event.document, "metadata")
        self._position = get_text(metadata, "resourceVersion") or self._position

    def _heard(self) -> None:
        self._heard_at = self._clock.monotonic()
        if self.has_synced:
            self.error = None

    def _recover(self) -> None:
        self.error = None
        self.has_synced = True
        self._complaints.end()
        self.settled.set()

    def _complain(self, error: KubeError) -> None:
        """Remember the fault, and log it if a minute has passed since the last time."""
        self.error = error
        if self.is_unavailable:
            self.settled.set()
        if isinstance(error, Forbidden):
            self._heard_at = self._clock.monotonic()  # an answer: starting anew would not help
        if self._complaints.is_due():
            log.warning(
                "the cache of a kind is not being updated; what needs it waits",
                resource=str(self.scope.resource),
                in_namespace=self.scope.namespace or "*",
                error=str(error),
            )

    async def _rest(self) -> None:
        self._failures += 1
        await self._clock.sleep(REST.delay(self._failures))
