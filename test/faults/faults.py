"""What may go wrong between the operator and the API server, each fault a value with a sentence.

A fault meets the requests that its `where` chooses, lets the first `skip` of them (or of the
lines of a watch) pass, and acts upon `times` of those that follow; then it is spent, and the proxy
forgets it.  `acted` tells whether it had its chance: a fault that never acted has proven nothing.

    proxy.inject(Refusal(429, on("create", "pods"), retry_after_seconds=1))
    proxy.inject(Silence(on("watch", "pods"), skip=2))
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

from multidict import CIMultiDict
from yarl import URL

from faults.exchange import Answer, Asked, Cut, End, Forward, Stream
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    decode,
    encode,
    get_object,
    get_objects,
    get_text,
)

Where = Callable[[Asked], bool]

ALWAYS = 10**9
"""As `times`: for as long as it is injected."""

REASONS: Mapping[int, str] = {
    401: "Unauthorized",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Fault:
    """Does nothing; a fault that does something is a `RequestFault` or a `LineFault`.

    Args:
        sentence: what it does, in plain words; a row of the table.
        where: which requests it meets.
        times: how often it acts before it is spent.
        skip: how many it lets pass before.
    """

    def __init__(self, sentence: str, where: Where, *, times: int = 1, skip: int = 0) -> None:
        self.sentence = sentence
        self.where = where
        self.acted = 0
        self._times = times
        self._skip = skip

    @property
    def is_spent(self) -> bool:
        """Whether it has acted as often as it may."""
        return self.acted >= self._times

    async def answer(self, asked: Asked, forward: Forward) -> Answer:
        """Answer a request; `forward` asks whoever is behind.

        Raises:
            Cut: there is no answer, and the connection is cut.
        """
        return await forward(asked)

    def line(self, _stream: Stream, line: bytes) -> Iterable[bytes]:
        """Return what becomes of a line of an open watch.

        Raises:
            Cut: the connection is cut, perhaps in the middle of a line.
            End: the stream ends properly.
        """
        return (line,)

    def _is_turn(self) -> bool:
        """Tell whether to act now; counts."""
        if self.is_spent:
            return False
        if self._skip:
            self._skip -= 1
            return False
        self.acted += 1
        return True

    def __str__(self) -> str:
        return self.sentence


class RequestFault(Fault):
    """Acts upon requests, watches that are being opened among them."""

    async def answer(self, asked: Asked, forward: Forward) -> Answer:
        """Act if it is its turn."""
        return await (self.act(asked, forward) if self._is_turn() else forward(asked))

    async def act(self, asked: Asked, forward: Forward) -> Answer:
        """Answer instead of the API server, or change its answer."""
        raise NotImplementedError


class LineFault(Fault):
    """Acts upon the events of open watches; of every kind but bookmarks, or as `types` says."""

    def __init__(
        self,
        sentence: str,
        where: Where,
        *,
        times: int = 1,
        skip: int = 0,
        types: Iterable[str] = ("ADDED", "MODIFIED", "DELETED"),
    ) -> None:
        super().__init__(sentence, where, times=times, skip=skip)
        self._types = frozenset(types)

    def line(self, stream: Stream, line: bytes) -> Iterable[bytes]:
        """Act if it is its turn."""
        event = decode(line)
        if get_text(event, "type") in self._types and self._is_turn():
            return self.act(stream, line)
        return self.watch(event, line)

    def act(self, stream: Stream, line: bytes) -> Iterable[bytes]:
        """Return what becomes of the line."""
        raise NotImplementedError

    def watch(self, _event: JsonObject, line: bytes) -> Iterable[bytes]:
        """Return what becomes of a line upon which it does not act."""
        return (line,)


# -- where


def on(verb: str, resource: str, subresource: str = "") -> Where:
    """Choose requests of one verb on one kind."""

    def where(asked: Asked) -> bool:
        found = (asked.verb, asked.resource, asked.subresource)
        return found == (verb, resource, subresource)

    return where


def on_first_list(resource: str) -> Where:
    """Choose what fills a cache: a list, or a watch that begins with what there is."""

    def where(asked: Asked) -> bool:
        streams = asked.verb == "watch" and "sendInitialEvents" in asked.query
        return asked.resource == resource and (asked.verb == "list" or streams)

    return where


def on_watch_from(resource: str) -> Where:
    """Choose watches that follow on from a position."""

    def where(asked: Asked) -> bool:
        goes_on = asked.verb == "watch" and "sendInitialEvents" not in asked.query
        return asked.resource == resource and goes_on

    return where


def on_writes(asked: Asked) -> bool:
    """Choose every write that makes something of the cluster."""
    return asked.is_write


# -- requests


class Refusal(RequestFault):
    """The API server refuses, and does nothing."""

    def __init__(
        self,
        status: int,
        where: Where,
        *,
        times: int = 1,
        skip: int = 0,
        retry_after_seconds: int | None = None,
    ) -> None:
        more = "" if retry_after_seconds is None else " with Retry-After"
        super().__init__(f"answers {status}{more}", where, times=times, skip=skip)
        self._status = status
        self._retry_after_seconds = retry_after_seconds

    async def act(self, _asked: Asked, _forward: Forward) -> Answer:
        """Refuse."""
        return refusal(self._status, self._retry_after_seconds)


class RefusalAfterwards(RequestFault):
    """The API server says 500, though the write has taken effect."""

    def __init__(self, where: Where, *, times: int = 1, skip: int = 0) -> None:
        sentence = "answers 500 after the write took effect"
        super().__init__(sentence, where, times=times, skip=skip)

    async def act(self, asked: Asked, forward: Forward) -> Answer:
        """Do it, and deny it."""
        await forward(asked)
        return refusal(500)


class LostRequest(RequestFault):
    """The connection stays open, and the request never reaches anybody."""

    def __init__(self, where: Where, *, times: int = 1, skip: int = 0) -> None:
        super().__init__("is silent to a request", where, times=times, skip=skip)

    async def act(self, _asked: Asked, _forward: Forward) -> Answer:
        """Wait until the client has had enough."""
        return await _for_ever()


class LostAnswer(RequestFault):
    """The write takes effect, the connection stays open, and no answer ever comes."""

    def __init__(self, where: Where, *, times: int = 1, skip: int = 0) -> None:
        super().__init__("is silent after the write took effect", where, times=times, skip=skip)

    async def act(self, asked: Asked, forward: Forward) -> Answer:
        """Do it, and wait until the client has had enough."""
        await forward(asked)
        return await _for_ever()


class CutRequest(RequestFault):
    """The connection breaks before the request has reached the API server."""

    def __init__(self, where: Where, *, times: int = 1, skip: int = 0) -> None:
        super().__init__("cuts the connection on a request", where, times=times, skip=skip)

    async def act(self, _asked: Asked, _forward: Forward) -> Answer:
        """Cut."""
        raise Cut


class CutAnswer(RequestFault):
    """The request takes effect, and the connection breaks in the middle of the answer."""

    def __init__(self, where: Where, *, times: int = 1, skip: int = 0) -> None:
        super().__init__("cuts the connection in mid-answer", where, times=times, skip=skip)

    async def act(self, asked: Asked, forward: Forward) -> Answer:
        """Send half of the answer."""
        answer = await forward(asked)
        return replace(answer, lines=_cut_after(answer.body[: len(answer.body) // 2]))


class Delay(RequestFault):
    """The answer comes late."""

    def __init__(
        self, where: Where, by: timedelta = timedelta(seconds=1), *, times: int = 1, skip: int = 0
    ) -> None:
        super().__init__("answers late", where, times=times, skip=skip)
        self._by = by

    async def act(self, asked: Asked, forward: Forward) -> Answer:
        """Wait, then ask."""
        await asyncio.sleep(self._by.total_seconds())
        return await forward(asked)


class EmptyStream(RequestFault):
    """A watch is answered 200, with nothing in it."""

    def __init__(self, where: Where, *, times: int = 3, skip: int = 0) -> None:
        super().__init__("ends watches at once, 200 and empty", where, times=times, skip=skip)

    async def act(self, _asked: Asked, _forward: Forward) -> Answer:
        """End before anything has come."""
        return Answer(200, lines=_nothing())


class ExpiredPage(Fault):
    """A list comes in pages of one object, and its `continue` token expires after the first."""

    def __init__(self, resource: str, *, times: int = 1) -> None:
        sentence = "answers 410 on the next page of a list"
        super().__init__(sentence, on("list", resource), times=times)

    async def answer(self, asked: Asked, forward: Forward) -> Answer:
        """Refuse the second page."""
        if "continue" in asked.query and self._is_turn():
            return refusal(410)
        return await forward(with_query(asked, {**asked.query, "limit": "1"}))


class StaleList(RequestFault):
    """A list shows the past, with the past's resourceVersion; a watch from there brings the rest.

    Args:
        where: which lists, see `on_first_list`.
        past: a list as the API server once answered it.
    """

    def __init__(self, where: Where, past: JsonObject, *, times: int = 1, skip: int = 0) -> None:
        super().__init__("lists the past", where, times=times, skip=skip)
        self._past = past

    async def act(self, asked: Asked, forward: Forward) -> Answer:
        """Show the past, whichever way it is asked for."""
        if asked.verb == "list":
            return Answer(200, encode(self._past))
        return Answer(200, lines=self._events(asked, forward))

    async def _events(self, asked: Asked, forward: Forward) -> AsyncIterator[bytes]:
        version = get_text(get_object(self._past, "metadata"), "resourceVersion")
        kind = get_text(self._past, "kind").removesuffix("List")
        what = {"kind": kind, "apiVersion": get_text(self._past, "apiVersion")}
        for item in get_objects(self._past, "items"):
            yield event_line("ADDED", {**what, **item})
        ends: JsonObject = {INITIAL_EVENTS_END: "true"}
        metadata: JsonObject = {"resourceVersion": version, "annotations": ends}
        yield event_line("BOOKMARK", {**what, "metadata": metadata})
        answer = await forward(_from_position(asked, version))
        if answer.lines is not None:
            async for line in answer.lines:
                yield line


# -- lines of a watch


class Silence(LineFault):
    """From an event on nothing comes any more, and the connection stays open (half-open TCP)."""

    def __init__(
        self, where: Where, *, skip: int = 0, types: Iterable[str] = ("ADDED", "MODIFIED")
    ) -> None:
        super().__init__("falls silent in mid-stream", where, skip=skip, types=types)

    def act(self, stream: Stream, _line: bytes) -> Iterable[bytes]:
        """Say nothing, and no more."""
        stream.is_silent = True
        return ()


class CutInMidChunk(LineFault):
    """The connection breaks in the middle of an event."""

    def __init__(self, where: Where, *, times: int = 1, skip: int = 0) -> None:
        super().__init__("is cut in the middle of an event", where, times=times, skip=skip)

    def act(self, _stream: Stream, line: bytes) -> Iterable[bytes]:
        """Send half of it."""
        raise Cut(line[: len(line) // 2])


class Garbage(LineFault):
    """A line is no JSON."""

    def __init__(self, where: Where, *, times: int = 1, skip: int = 0) -> None:
        super().__init__("sends a line that is no JSON", where, times=times, skip=skip)

    def act(self, _stream: Stream, line: bytes) -> Iterable[bytes]:
        """Spoil it."""
        return (line[: len(line) // 2] + b"\n",)


class ErrorEvent(LineFault):
    """A stream ends with an ERROR event: the position is too old."""

    def __init__(self, where: Where, *, times: int = 1, skip: int = 0, status: int = 410) -> None:
        sentence = f"sends an ERROR event {status} in mid-stream"
        super().__init__(sentence, where, times=times, skip=skip)
        self._status = status

    def act(self, _stream: Stream, _line: bytes) -> Iterable[bytes]:
        """Send it instead of the event."""
        raise End(event_line("ERROR", status_object(self._status)))


class BareStatus(LineFault):
    """A stream ends with a Status object that no event is around."""

    def __init__(self, where: Where, *, times: int = 1, skip: int = 0, status: int = 410) -> None:
        sentence = f"sends a bare Status {status} in mid-stream"
        super().__init__(sentence, where, times=times, skip=skip)
        self._status = status

    def act(self, _stream: Stream, _line: bytes) -> Iterable[bytes]:
        """Send it instead of the event."""
        raise End(encode(status_object(self._status)) + b"\n")


class RepeatEvents(LineFault):
    """Each event comes twice."""

    def __init__(self, where: Where, *, times: int = ALWAYS, skip: int = 0) -> None:
        super().__init__("repeats events", where, times=times, skip=skip)

    def act(self, _stream: Stream, line: bytes) -> Iterable[bytes]:
        """Say it again."""
        return (line, line)


class OldEventsAgain(LineFault):
    """After each newer event of an object, the older one comes again; so does its deletion.

    The deletion of a former life is said again after the next event of whatever object, which may
    be the next life of the name.
    """

    def __init__(self, where: Where, *, times: int = ALWAYS, skip: int = 0) -> None:
        super().__init__("says old events again after newer ones", where, times=times, skip=skip)
        self._last: dict[str, bytes] = {}
        self._deletion = b""

    def act(self, _stream: Stream, line: bytes) -> Iterable[bytes]:
        """Add the older one."""
        event = decode(line)
        name = get_text(get_object(event, "object", "metadata"), "name")
        again = [old for old in (self._last.get(name, b""), self._deletion) if old]
        self._last[name] = line
        self._deletion = line if get_text(event, "type") == "DELETED" else b""
        return (line, *again)


class HiddenEvent(LineFault):
    """An event is never told; after a while the stream ends, its position too old.

    That is the most a client can be asked to survive: a server that hides an event for ever breaks
    the API's contract, and no client could tell.  Whatever makes events be missed in practice (a
    gap, a lagging cache, etcd's compaction) ends in 410, and the next list shows the difference.
    """

    def __init__(
        self,
        where: Where,
        *,
        skip: int = 0,
        types: Iterable[str] = ("MODIFIED",),
        ends_after: timedelta = timedelta(seconds=2),
    ) -> None:
        words = " or ".join(types)
        super().__init__(f"hides an event {words}, then says 410", where, skip=skip, types=types)
        self._ends_after = ends_after

    def line(self, stream: Stream, line: bytes) -> Iterable[bytes]:
        """Act if it is its turn; a list is never incomplete."""
        return (line,) if stream.is_listing else super().line(stream, line)

    def act(self, stream: Stream, _line: bytes) -> Iterable[bytes]:
        """Hide it."""
        last = event_line("ERROR", status_object(410))
        loop = asyncio.get_running_loop()
        loop.call_later(self._ends_after.total_seconds(), stream.end, last)
        return ()


class Lag(LineFault):
    """Whatever a watch tells comes late, in order."""

    def __init__(self, where: Where, by: timedelta = timedelta(seconds=1.5)) -> None:
        types = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")
        super().__init__("tells events late", where, times=ALWAYS, types=types)
        self._by = by

    def act(self, stream: Stream, line: bytes) -> Iterable[bytes]:
        """Keep it for a while."""
        loop = asyncio.get_running_loop()
        loop.call_later(self._by.total_seconds(), stream.send, line)
        return ()


class SmallPieces(LineFault):
    """Events come in pieces of a few bytes."""

    def __init__(self, where: Where, *, bytes_each: int = 64) -> None:
        super().__init__("sends events in small pieces", where, times=ALWAYS)
        self._bytes = bytes_each

    def act(self, _stream: Stream, line: bytes) -> Iterable[bytes]:
        """Chop it."""
        pieces = math.ceil(len(line) / self._bytes)
        return tuple(line[i * self._bytes : (i + 1) * self._bytes] for i in range(pieces))


# -- what an API server says


def status_object(status: int, message: str = "a fault of the test") -> JsonObject:
    """Return a failure as Kubernetes words it."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": status,
        "reason": REASONS[status],
        "message": message,
    }


def refusal(status: int, retry_after_seconds: int | None = None) -> Answer:
    """Return a failure as an answer."""
    headers = CIMultiDict({"Content-Type": "application/json"})
    if retry_after_seconds is not None:
        headers["Retry-After"] = str(retry_after_seconds)
    return Answer(status, encode(status_object(status)), headers=headers)


def event_line(type_: str, document: JsonValue) -> bytes:
    """Return a line of a watch."""
    return encode({"type": type_, "object": document}) + b"\n"


def _from_position(asked: Asked, version: str) -> Asked:
    """Return the watch that follows on from `version`."""
    dropped = {"sendInitialEvents", "resourceVersionMatch", "resourceVersion"}
    kept = {name: value for name, value in asked.query.items() if name not in dropped}
    return with_query(asked, {**kept, "resourceVersion": version})


def with_query(asked: Asked, query: Mapping[str, str]) -> Asked:
    """Ask with another query."""
    path = URL(asked.target, encoded=True).with_query(query)
    return replace(asked, query=query, target=str(path))


async def _for_ever() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def _cut_after(piece: bytes) -> AsyncIterator[bytes]:
    raise Cut(piece)
    yield b""  # makes it a generator


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""  # makes it a generator
