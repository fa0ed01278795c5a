"""One request to the API server and its answer, as values: what is sent, how answers are read.

Knows HTTP and Kubernetes' conventions on it (Status objects, Warning headers, watch lines).
Connecting, authenticating, retrying and waiting are the business of `kube.py`.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import aiohttp
from aiohttp.connector import AddrInfoType

from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    decode,
    get_int,
    get_object,
    get_objects,
    get_text,
)
from ray_operator.operator.errors import KubeError, NotSent, Unreachable, kube_error_class
from ray_operator.operator.resources import Resource

LONGEST_LINE_BYTES = 64 * 1024 * 1024
"""A watch event holds one object, which etcd limits to 1.5 MB: beyond this the stream is broken."""

RAW_BYTES = 16 * 1024 * 1024
"""The largest answer that is read without being understood (operator.md §6.1)."""

Verb = Literal["get", "list", "watch", "create", "update", "patch", "delete"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request: how to send it, how to speak of it, and whether it may be sent twice."""

    verb: Verb
    resource: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"
    repeatable: bool = True

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} ({self.path})"

    @property
    def is_write(self) -> bool:
        """Whether the request changes something: also what is proxied to Ray."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a list; `resource_version` is where a watch may start after the last page."""

    items: tuple[JsonObject, ...]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Written:
    """The object after a write, and what the API server warned of."""

    document: JsonObject
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """Any HTTP answer, not judged."""

    status: int
    body: bytes
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch: type ADDED, MODIFIED, DELETED or BOOKMARK, and the object."""

    type: str
    document: JsonObject


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What to watch, and for how long.

    `life` is the server's time-out; `idle` ends a stream on which nothing came for so long, not
    even a bookmark (one a minute).  With `initial`, the server first sends what there is, then a
    bookmark with the annotation `k8s.io/initial-events-end` (streaming lists, KEP-3157).
    `heard` is called for each piece that arrives, first for the answer's head.
    """

    resource: Resource
    namespace: str
    selector: str
    resource_version: str
    life: timedelta
    idle: timedelta
    initial: bool = False
    heard: Callable[[], None] = field(default=lambda: None)

    def call(self) -> Call:
        """Return the request."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(round(self.life.total_seconds())),
        }
        if self.resource_version:
            query["resourceVersion"] = self.resource_version
        if self.initial:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        if self.selector:
            query["labelSelector"] = self.selector
        path = self.resource.path(self.namespace)
        return Call("watch", str(self.resource), "GET", path, query)


def keepalive_socket(address: AddrInfoType) -> socket.socket:
    """Open a socket that gives a dead peer up after 30 s: probes after 15 s, three of 5 s each."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):  # Linux has them all
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


@contextmanager
def transport_errors_as_ours(call: Call) -> Iterator[None]:
    """Turn what the transport and the decoder raise inside the `with` into `Unreachable`."""
    try:
        yield
    except aiohttp.ClientConnectorError as error:
        raise NotSent(f"{call}: no connection: {error}") from error
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        cause = str(error) or type(error).__name__
        raise Unreachable(f"{call}: no usable answer: {cause}") from error


async def raise_for_status(call: Call, response: aiohttp.ClientResponse) -> None:
    """Let a 2xx pass.

    Raises:
        KubeError: of the class that belongs to the status and the Status object's reason.
    """
    if 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        return
    text = await response.read()
    try:
        status = decode(text)
    except ValueError:
        status = {"message": text[:500].decode(errors="replace")}
    after = response.headers.get("Retry-After", "")
    raise _error(call, response.status, status, float(after) if after.isdigit() else None)


def _error(
    call: Call, code: int, status: JsonObject, retry_after: float | None = None
) -> KubeError:
    reason = get_text(status, "reason")
    message = get_text(status, "message") or reason or f"HTTP status {code}"
    if retry_after is None:
        retry_after = get_int(get_object(status, "details"), "retryAfterSeconds") or None
    causes = get_objects(get_object(status, "details"), "causes")
    return kube_error_class(code, reason, *(get_text(cause, "reason") for cause in causes))(
        f"{call.verb} {call.resource}: {message}",
        status=code,
        reason=reason,
        retry_after_seconds=retry_after,
    )


_WARNING = re.compile(r'^\d{3} \S+ "((?:[^"\\]|\\.)*)"')


def read_warnings(response: aiohttp.ClientResponse) -> tuple[str, ...]:
    """Read the API server's `299 - "text"` headers (RFC 7234, 5.5)."""
    found = (_WARNING.match(value) for value in response.headers.getall("Warning", ()))
    return tuple(re.sub(r"\\(.)", r"\1", match.group(1)) for match in found if match)


async def read_bounded(response: aiohttp.ClientResponse) -> bytes:
    """Read a body of at most 16 MiB.

    Raises:
        ValueError: it is longer.
    """
    pieces = bytearray()
    async for piece in response.content.iter_any():
        pieces += piece
        if len(pieces) > RAW_BYTES:
            raise ValueError(f"the answer is longer than {RAW_BYTES} bytes")
    return bytes(pieces)


def carries_resource_version(patch: JsonValue) -> bool:
    """Tell whether a merge patch is bound to one version: sent twice, it would conflict."""
    return isinstance(patch, Mapping) and "resourceVersion" in get_object(patch, "metadata")


async def read_lines(
    stream: aiohttp.StreamReader, heard: Callable[[], None]
) -> AsyncIterator[bytes]:
    """Split a watch into lines; a last line without an end was cut off, and is dropped.

    Raises:
        ValueError: a line never ends.
    """
    rest = b""
    async for piece in stream.iter_any():
        heard()
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(rest) > LONGEST_LINE_BYTES:
            raise ValueError("a line of the watch never ends")
        await asyncio.sleep(0)  # a burst must not keep the other tasks from running


def read_event(call: Call, line: bytes) -> WatchEvent:
    """Decode a line.

    Raises:
        KubeError: the server reports an error in mid-stream, as an ERROR event or as a bare
            Status object; `Gone` if the position is too old.
        ValueError: the line is no JSON.
    """
    event = decode(line)
    kind = get_text(event, "type")
    document = get_object(event, "object") if kind else event
    if kind in {"ERROR", ""}:
        raise _error(call, get_int(document, "code"), document)
    return WatchEvent(kind, document)
