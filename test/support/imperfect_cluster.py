"""Pods that come and go behind an API server on whose wire everything may go wrong.

The server's side of the model that the informer is held against: `objects` is the truth.
"""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiohttp import web

from ray_operator.operator.documents import JsonObject, encode, get_object, get_text
from support.api_server import Answer, a_pod, bookmark, event, hung_up, listing, refusal, stream
from support.informer_world import labelled, the_end

PAGE = 2
CHANGES = ("change", "delete", "replace", "spoil", "mend", "progress", "restore")
LINE_FAULTS = ("", "twice", "old again", "hidden", "late", "cut", "garbage", "expired")
ANSWER_FAULTS = {
    "410": refusal(410, "Expired"),
    "429": refusal(429, Retry_After="1"),
    "500": refusal(500),
    "200 and empty": stream(),
    "hangs up": hung_up(),
}

Objects = dict[str, JsonObject]


@dataclass
class ImperfectCluster:
    """Objects with a history; `line_faults` and `answer_faults` happen one after the other.

    After `be_truthful` nothing goes wrong any more, and everybody has to list again.
    """

    version: int = 10
    objects: Objects = field(default_factory=dict)
    line_faults: list[str] = field(default_factory=list)
    answer_faults: list[str] = field(default_factory=list)
    is_truthful: bool = False
    truthful_lists: int = 0
    _history: list[tuple[int, JsonObject]] = field(default_factory=list)
    _states: list[tuple[int, Objects]] = field(default_factory=list)
    _uids: Iterator[int] = field(default_factory=itertools.count)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def happen(self, change: str, name: str) -> None:
        """Change the cluster; what is not there is created first."""
        found = self.objects.get(name)
        match change:
            case "progress":
                self._go_on()
            case "restore":
                self._restore()
            case _ if found is None:
                self._create(name)
            case "change":
                self._write("MODIFIED", found)
            case "spoil":
                self._write("MODIFIED", labelled(found, unreadable=""))
            case "mend":
                self._write("MODIFIED", labelled(found))
            case "delete":
                self._write("DELETED", found)
            case "replace":
                self._write("DELETED", found)
                self._create(name)
        self._wake()

    def be_truthful(self) -> None:
        """End all streams and forget the past, so that each position is too old."""
        self.is_truthful = True
        self.answer_faults.clear()
        self.line_faults.clear()
        self._history.clear()
        self.version += 1000
        self._wake()

    def _create(self, name: str) -> None:
        self._write("ADDED", a_pod(name, uid=f"{name}-{next(self._uids)}"))

    def _write(self, kind: str, document: JsonObject) -> None:
        self._states.append((self.version, dict(self.objects)))
        self.version += 1
        metadata = {**get_object(document, "metadata"), "resourceVersion": str(self.version)}
        name, document = get_text(metadata, "name"), {**document, "metadata": metadata}
        self.objects.pop(name, None)
        if kind != "DELETED":
            self.objects[name] = document
        self._history.append((self.version, event(kind, document)))

    def _go_on(self) -> None:
        self.version += 1
        self._history.append((self.version, bookmark(str(self.version))))

    def _restore(self) -> None:
        """Go back to an earlier state, versions and all, as from etcd's backup."""
        if not self._states:
            return
        self.version, objects = self._states[len(self._states) // 2]
        self.objects = dict(objects)
        self._states = [each for each in self._states if each[0] < self.version]
        self._history = [each for each in self._history if each[0] <= self.version]

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    # -- on the wire

    async def list(self, request: web.Request) -> web.StreamResponse:
        """Answer a page; the token of the next holds what is left of a consistent list."""
        answer = self._fault()
        if answer is None:
            token = request.query.get("continue", "")
            version, names = token.split(":") if token else (str(self.version), "")
            left = names.split(",") if token else sorted(self.objects)
            if token and version != str(self.version):
                answer = refusal(410, "Expired")
            else:
                rest = left[PAGE:]
                more = f"{version}:{','.join(rest)}" if rest else ""
                page = (self.objects[name] for name in left[:PAGE])
                answer = listing(*page, version=version, more=more)
                self.truthful_lists += self.is_truthful and not more
        return await answer(request)

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """Stream what happens after a position, with all that goes wrong."""
        position = int(request.query.get("resourceVersion", "0"))
        is_list = "sendInitialEvents" in request.query
        is_truthful = self.is_truthful  # may change as soon as this waits for the network
        answer = self._fault()
        if is_truthful and not is_list and position < self.version:
            answer = refusal(410, "Expired")
        if answer is not None:
            return await answer(request)
        response = web.StreamResponse()
        await response.prepare(request)
        if is_list:
            position = self.version
            events = [event("ADDED", document) for document in self.objects.values()]
            await response.write(b"".join(map(line, (*events, the_end(str(position))))))
            self.truthful_lists += is_truthful
        await self._follow(response, position, was_truthful=is_truthful)
        return response

    async def _follow(
        self, response: web.StreamResponse, position: int, *, was_truthful: bool
    ) -> None:
        late = b""
        while self.is_truthful == was_truthful:
            news = self._news
            for version, each in tuple(self._history):
                if version <= position:
                    continue
                position = version
                text, late, goes_on = self._mangled(line(each), late)
                await response.write(text)
                if not goes_on:
                    return
            await news.wait()

    def _mangled(self, text: bytes, late: bytes) -> tuple[bytes, bytes, bool]:
        """Return what is sent for a line, what is held back, and whether the stream goes on."""
        fault = self.line_faults.pop() if self.line_faults else ""
        expired: JsonObject = {"code": 410, "reason": "Expired"}
        ends = {
            "cut": text[: len(text) // 2],
            "garbage": b"no JSON\n",
            "expired": line(event("ERROR", expired)),
        }
        oldest = self._history[0][1] if self._history else bookmark("1")
        repeated = {"twice": text, "old again": line(oldest)}
        if fault in ends:
            return ends[fault], b"", False
        if fault == "hidden":
            return b"", late, True
        if fault == "late":
            return b"", late + text, True
        return text + repeated.get(fault, b"") + late, b"", True

    def _fault(self) -> Answer | None:
        return ANSWER_FAULTS[self.answer_faults.pop()] if self.answer_faults else None


def line(document: JsonObject) -> bytes:
    """Return a line of a watch."""
    return encode(document) + b"\n"
