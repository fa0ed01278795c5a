"""Copies one collection of the API server into a sink, for ever, whatever the network does.

What it survives, and how (docs/caches.md explains the P-numbers, and names the tests):

- a connection that is silent for ever (P1): the server is told to end each stream after 5 to 10
  minutes, and a stream without a byte for 100 s (bookmarks come once a minute) is given up;
- a position that is too old (P3), said as HTTP status, as ERROR event or as a bare Status: the
  collection is listed again, after a jittered rest;
- streams that end at once, break or fall silent before they brought anything (P4): back-off, and
  after two of them a new list.  So ends also the silence of a server whose etcd was restored from
  a backup: it sends nothing until its versions have passed our position;
- events out of order (P5): versions only grow in a stream; if they don't, a list tells the truth;
- deletions that were missed (P6): after a list the sink drops what was not in it;
- an event that never came: every half hour a stream that ended is followed by a list;
- a cold list of 10,000 pods (P15): a streaming list where the server offers it, else pages of
  100, each handed on before the next is read;
- a server that wants to be left alone (429, Retry-After): at least so long a rest.

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
from ray_operator.operator.versions import is_older
from ray_operator.operator.wire import Page, WatchEvent, WatchRequest

log = Logger(__name__)

LIFE_SECONDS = (300, 600)
"""The server ends a stream after a random time in this range, so that streams don't end together
(client-go's range)."""

IDLE = timedelta(seconds=100)
"""Bookmarks come every 60 s, with 25 % jitter: a stream that is quiet for longer is dead.  A server
without bookmarks costs a new list of each quiet kind every few minutes."""

CHECKUP = timedelta(minutes=30)
"""How old a list may grow: an event that was lost on the way, by whomever, is made up for by the
next list.  10,000 pods cost a second of CPU: 0.06 % of a core."""

REST = Backoff(first=timedelta(seconds=0.8), ceiling=timedelta(seconds=30), jitter=0.5)
"""client-go's back-off for lists and watches.  Its ceiling also bounds how late a permission that
was granted, or an API that was installed, is noticed: 45 s."""

LONGEST_ASKED = timedelta(seconds=60)
"""A Retry-After is obeyed up to here: after a longer silence the process counts as ill."""

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

    def remove(self, document: JsonObject) -> Key:
        """Drop an object that an event says is deleted."""
        ...

    def keep_only(self, namespace: str, keys: set[Key]) -> None:
        """Drop what a complete list of `namespace` ("" = all) did not hold."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects: of one kind, in one namespace ("" = all), matching a label selector.

    `is_essential` says that nothing can be decided without them: a missing API or permission is
    then a fault to wait out, not a feature less.
    """

    resource: Resource
    namespace: str = ""
    selector: str = ""
    is_essential: bool = False


class DisorderError(Exception):
    """The versions of a stream went back."""


class Reflector:
    """Lists and watches one scope; `run` ends only by cancellation.

    `error` is why there is no fresh data at the moment, `None` if there is.  `is_refused` says that
    the last list met a missing API or permission: starting anew would not help.  `settled` is set
    as soon as it is known whether the scope can be read: after the first complete list, or when it
    turns out to be unavailable.
    """

    def __init__(
        self, kube: Kube, scope: Scope, sink: Sink, clock: Clock, *, idle: timedelta = IDLE
    ) -> None:
        self.scope = scope
        self.has_synced = False
        self.is_refused = False
        self.error: KubeError | None = None
        self.settled = asyncio.Event()
        self._idle = idle
        self._kube = kube
        self._sink = sink
        self._clock = clock
        self._position = ""  # where the next watch starts; "" = with a list
        self._listed_at = 0.0
        self._heard_at: float | None = None
        self._answered_at: float | None = None
        self._failures = 0
        self._refuses_streams = False
        self._pages_next = False
        self._complaints = Complaints(clock)

    @property
    def is_unavailable(self) -> bool:
        """Whether the API or the permission is missing, and only a feature depends on it."""
        return self.is_refused and not self.scope.is_essential

    @property
    def age(self) -> timedelta:
        """How long ago the API server last sent a byte of this scope; 0 before `run`."""
        return self._since(self._heard_at)

    @property
    def silence(self) -> timedelta:
        """How long ago it last said anything about this scope, be it no; 0 before `run`."""
        return self._since(self._answered_at)

    def _since(self, moment: float | None) -> timedelta:
        return timedelta(seconds=0 if moment is None else self._clock.monotonic() - moment)

    async def run(self) -> None:
        """List and watch until cancelled."""
        self._heard()
        cause = "start"
        while True:
            metrics.RELISTS.labels(str(self.scope.resource), cause).inc()
            try:
                cause = await self._list_and_follow()
            except KubeError as error:
                self._complain(error)
                cause = "error"
            await self._rest()

    async def _list_and_follow(self) -> str:
        """Fill the cache and keep it up to date; return why a new list is needed."""
        self._position = ""
        if self._kube.streams_lists and not self._refuses_streams and not self._pages_next:
            try:
                return await self._follow()
            except (Forbidden, Invalid) as error:
                if self._position:
                    raise
                # The gate is off, perhaps for this kind only; or we may list, though not watch.
                self._refuses_streams = isinstance(error, Invalid)
        self._pages_next = False
        await self._list_by_pages()
        return await self._follow()

    async def _list_by_pages(self) -> None:
        scope = self.scope
        seen: set[Key] = set()
        position = ""
        pages = self._kube.list_pages(
            scope.resource, namespace=scope.namespace, selector=scope.selector
        )
        async with aclosing(pages):
            async for page in pages:
                position = self._take_page(page, seen)
                del page  # before the next one is read
        self._complete(seen, position)

    def _take_page(self, page: Page, seen: set[Key]) -> str:
        self._heard()
        seen.update([self._sink.put(item, listed=True) for item in page.items])
        return page.resource_version

    def _complete(self, seen: set[Key], position: str) -> None:
        """A list has come to its end."""
        if not position:
            raise Unreachable(f"list {self.scope.resource}: the answer has no resourceVersion")
        self._sink.keep_only(self.scope.namespace, seen)
        self._position = position
        self._listed_at = self._clock.monotonic()
        self.error = None
        self.is_refused = False
        self.has_synced = True
        self._complaints.end()
        self.settled.set()

    async def _follow(self) -> str:
        """Watch, stream after stream; return why a new list is needed."""
        fruitless = 0
        while fruitless < FRUITLESS_STREAMS:
            before, started = self._position, self._clock.monotonic()
            error: KubeError | None = None
            try:
                await self._read_stream()
            except DisorderError as disorder:
                self._complain(Unreachable(f"watch {self.scope.resource}: {disorder}"))
                return "disorder"
            except KubeError as failure:
                if isinstance(failure, Gone) and self._position:
                    return "expired"
                self._judge(failure)
                error = failure
            lived = self._clock.monotonic() - started
            is_sound = error is None and lived >= SHORT_SECONDS
            if is_sound or self._position != before:
                self._failures = fruitless = 0
            elif not isinstance(error, NotSent | TooManyRequests):
                fruitless += 1
            if is_sound:  # the server ended the stream, as we had asked it to
                if self._clock.monotonic() - self._listed_at >= CHECKUP.total_seconds():
                    return "checkup"
            else:
                await self._rest()
        return "fruitless"

    def _judge(self, failure: KubeError) -> None:
        """Complain of a stream that failed, or raise if another one would not help."""
        if not self._position:  # a streaming list: whatever is in its way may let pages pass
            self._pages_next = not isinstance(
                failure, NotFound | NotSent | TooManyRequests | Unauthorized
            )
            raise failure
        if isinstance(failure, Forbidden | Invalid | NotFound | Unauthorized):
            raise failure  # watching as such is impossible: list, for as long as that works
        self._complain(failure)

    def _request(self) -> WatchRequest:
        return WatchRequest(
            resource=self.scope.resource,
            namespace=self.scope.namespace,
            selector=self.scope.selector,
            resource_version=self._position,
            life=timedelta(seconds=random.uniform(*LIFE_SECONDS)),  # noqa: S311 - no secret
            idle=self._idle,
            initial=not self._position,
            heard=self._heard,
        )

    async def _read_stream(self) -> None:
        """Take what one stream brings; without a position it begins with a list (KEP-3157)."""
        seen: set[Key] | None = None if self._position else set()
        events = self._kube.watch(self._request())
        async with aclosing(events):
            async for event in events:
                if seen is None:
                    self._take(event)
                elif self._take_initial(event, seen):
                    seen = None
        if seen is not None:
            raise Unreachable(f"list {self.scope.resource}: the stream ended before the list did")

    def _take_initial(self, event: WatchEvent, seen: set[Key]) -> bool:
        """Take a part of a streaming list; tell whether it is complete."""
        match event.type:
            case "ADDED" | "MODIFIED":
                seen.add(self._sink.put(event.document, listed=True))
            case "DELETED":  # while we listed
                seen.discard(self._sink.remove(event.document))
            case "BOOKMARK":
                metadata = get_object(event.document, "metadata")
                if INITIAL_EVENTS_END not in get_object(metadata, "annotations"):
                    raise Invalid(f"list {self.scope.resource}: the server knows no streaming list")
                self._complete(seen, get_text(metadata, "resourceVersion"))
                return True
            case _:
                pass  # a type of the future
        return False

    def _take(self, event: WatchEvent) -> None:
        version = get_text(get_object(event.document, "metadata"), "resourceVersion")
        if is_older(version, self._position):
            raise DisorderError(f"its versions went back from {self._position} to {version}")
        match event.type:
            case "ADDED" | "MODIFIED":
                self._sink.put(event.document, listed=False)
            case "DELETED":
                self._sink.remove(event.document)
            case _:
                pass  # a bookmark; or a type of the future, whose position counts all the same
        self._position = version or self._position

    def _heard(self) -> None:
        self._heard_at = self._answered_at = self._clock.monotonic()
        if self._position:
            self.error = None

    def _complain(self, error: KubeError) -> None:
        """Remember the fault, and log it if a minute has passed since the last time."""
        self.error = error
        if error.status:
            self._answered_at = self._clock.monotonic()
        if not self._position and isinstance(error, Forbidden | NotFound):
            self.is_refused = True
        if self.is_unavailable:
            self.settled.set()
        if self._complaints.is_due():
            log.warning(
                "the cache of a kind is not being updated; what needs it waits",
                resource=str(self.scope.resource),
                in_namespace=self.scope.namespace or "*",
                error=str(error),
            )

    async def _rest(self) -> None:
        """Wait: ever longer after failures, and at least as long as the server asked us to."""
        self._failures += 1
        asked = self.error.retry_after_seconds if self.error else None
        wish = min(timedelta(seconds=asked or 0), LONGEST_ASKED)
        await self._clock.sleep(wish + REST.delay(self._failures))
