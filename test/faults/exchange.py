"""One request to the API server and its answer, as the fault proxy sees them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from multidict import CIMultiDict

from ray_operator.operator.documents import JsonObject, decode

Verb = Literal["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]

_VERBS: Mapping[str, Verb] = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_NO_CHANGE = frozenset({"events", "leases", "selfsubjectreviews", "selfsubjectaccessreviews"})
"""Writes that are no part of what an operator makes of a cluster."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `resource` is the plural ("pods"), "" if the path names none."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    target: str
    """Path and query as they came, to be sent on."""

    @property
    def resource(self) -> str:
        """The plural of the kind."""
        return self._place[1]

    @property
    def namespace(self) -> str:
        """The namespace; "" for all, or if the kind has none."""
        return self._place[0]

    @property
    def name(self) -> str:
        """The object's name; "" for a collection."""
        return self._place[2]

    @property
    def subresource(self) -> str:
        """`status`, `proxy`, …; "" for the object itself."""
        return self._place[3]

    @property
    def verb(self) -> Verb:
        """What Kubernetes calls it."""
        if self.method == "GET":
            if self.query.get("watch") in {"true", "1"}:
                return "watch"
            return "get" if self.name or not self.resource else "list"
        if self.method == "DELETE":
            return "delete" if self.name else "deletecollection"
        return _VERBS[self.method]

    @property
    def is_write(self) -> bool:
        """Whether it changes the cluster; events, Leases and reviews don't count."""
        if self.method == "GET" or self.resource in _NO_CHANGE:
            return False
        return bool(self.resource) and not self.subresource.startswith("proxy")

    @property
    def document(self) -> JsonObject:
        """The body, read as JSON."""
        return decode(self.body)

    def __str__(self) -> str:
        """Say it as a person would: "patch rayclusters/status demo"."""
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return " ".join(part for part in (self.verb, what or self.path, self.name) if part)

    @property
    def _place(self) -> tuple[str, str, str, str]:
        root, *parts = self.path.strip("/").split("/")
        parts = parts[{"api": 1, "apis": 2}.get(root, len(parts)) :]
        namespace = ""
        if parts[:1] == ["namespaces"] and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        resource, name, *rest = [*parts, "", ""]
        return namespace, resource, name, "/".join(part for part in rest if part)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: `body` at once, or `lines` one by one (a watch)."""

    status: int
    body: bytes = b""
    lines: AsyncIterator[bytes] | None = None
    headers: CIMultiDict[str] = field(
        default_factory=lambda: CIMultiDict({"Content-Type": "application/json"})
    )


Forward: TypeAlias = Callable[[Asked], Coroutine[None, None, Answer]]


class Cut(Exception):  # noqa: N818 - it is no error: it is what is to happen
    """The connection is to be cut, after these bytes."""

    def __init__(self, after: bytes = b"") -> None:
        super().__init__()
        self.after = after


class End(Exception):  # noqa: N818 - as above
    """A stream is to end as the API server ends it, after this line if there is one."""

    def __init__(self, last: bytes = b"") -> None:
        super().__init__()
        self.last = last


@dataclass(frozen=True, slots=True)
class Decided:
    """A line upon which the faults have acted already."""

    line: bytes


class Stream:
    """A watch that is open. Lines go through its queue, in order."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.is_silent = False
        """From now on nothing comes, and the connection stays open."""
        self.is_listing = "sendInitialEvents" in asked.query
        """Whether it still tells what there is, before it tells what changes."""
        self.queue: asyncio.Queue[bytes | Decided | End | Cut] = asyncio.Queue()

    def send(self, line: bytes) -> None:
        """Send a line past the faults."""
        self.queue.put_nowait(Decided(line))

    def end(self, last: bytes = b"") -> None:
        """End it, after the lines that have come and `last`."""
        self.queue.put_nowait(End(last))

    def cut(self) -> None:
        """Cut the connection."""
        self.queue.put_nowait(Cut())
