"""What the operator writes for a cluster, byte for byte: a proxy between it and the API server.

The floor must make the same objects; so they are taken from the operator's own requests, in a
small run before everything else.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import aiohttp
from aiohttp import web

from hack.bench.api import Access
from hack.bench.plane import free_ports
from ray_operator.operator.documents import decode, get_object, get_text

OWN_HEADERS = frozenset({"host", "connection", "content-length", "transfer-encoding"})
COMPRESSION = "accept-encoding"
"""Left out: bodies pass as they are."""
MOST_BODY_BYTES = 1 << 24
OTHERS = ("/events", "/leases", "/selfsubjectreviews")


@dataclass(frozen=True, slots=True)
class Creation:
    """One POST: where to, and what."""

    path: str
    body: bytes

    @property
    def kind(self) -> str:
        """The plural that it makes one of."""
        return self.path.rpartition("/")[2]

    @property
    def name(self) -> str:
        """The object's name."""
        return get_text(get_object(decode(self.body), "metadata"), "name")

    @property
    def node_type(self) -> str:
        """`head` or `worker` for a Ray pod."""
        metadata = get_object(decode(self.body), "metadata")
        return get_text(get_object(metadata, "labels"), "ray.io/node-type")


@dataclass(slots=True)
class Recorder:
    """The creations that passed, in order."""

    target: Access
    session: aiohttp.ClientSession
    creations: list[Creation] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass one request on and its answer back, as it streams."""
        body = await request.read()
        if request.method == "POST" and not request.path.endswith(OTHERS):
            self.creations.append(Creation(request.path, body))
        headers = {
            k: v for k, v in request.headers.items() if k.lower() not in OWN_HEADERS | {COMPRESSION}
        }
        async with self.session.request(
            request.method, f"{self.target.url}{request.path_qs}", data=body, headers=headers
        ) as answer:
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.content_type
            with contextlib.suppress(ConnectionError):  # the operator has left
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
        return response


@contextlib.asynccontextmanager
async def a_recorder(target: Access) -> AsyncIterator[tuple[Recorder, Access]]:
    """Run the proxy; yields it and how to reach the API server through it."""
    (port,) = free_ports(1)
    connector = aiohttp.TCPConnector(limit=0, ssl=False)  # our own API server, on loopback
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),
        skip_auto_headers=[COMPRESSION],
    ) as session:
        recorder = Recorder(target, session)
        application = web.Application(client_max_size=MOST_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", recorder.handle)
        runner = web.AppRunner(application, handler_cancellation=True, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield recorder, replace(target, url=f"http://127.0.0.1:{port}")
        finally:
            await runner.cleanup()
