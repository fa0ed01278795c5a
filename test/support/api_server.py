"""An API server made of scripted answers, over real HTTP: for what a real one does by accident.

    server.on("GET", "/api/v1/pods", listing(a_pod("a")), refusal(410))

Each route answers with its answers in turn; the last one is repeated.  A watch is the route
`WATCH` of the same path.  `server.requests` holds what was asked.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from ray_operator.operator.clock import Clock, SystemClock
from ray_operator.operator.documents import JsonObject, JsonValue, decode, encode
from ray_operator.operator.kube import REQUEST_TIMEOUT, Kube, KubeOptions
from support.control_plane import write_kubeconfig

Answer = Callable[[web.Request], Coroutine[None, None, web.StreamResponse]]
TOKEN = "secret-of-the-test"  # noqa: S105 - no secret


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: JsonValue
    port: int
    """The client's: one a connection."""


class ApiServer:
    """The scripted server. Unknown routes answer 404."""

    def __init__(self, folder: Path) -> None:
        self.requests: list[Asked] = []
        self.url = ""
        self.handling: set[asyncio.Task[web.StreamResponse]] = set()
        self._folder = folder
        self._routes: dict[tuple[str, str], list[Answer]] = {}
        self._changed = asyncio.Event()
        self.runner: web.AppRunner | None = None

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Answer `method path` with `answers` in turn; replaces what was there."""
        self._routes[(method, path)] = list(answers)

    def count(self, method: str, path: str = "") -> int:
        """Count the requests so far; an empty path counts all of the method."""
        return sum(1 for r in self.requests if r.method == method and path in {"", r.path})

    async def wait_for(self, method: str, path: str, count: int) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(10):
            while self.count(method, path) < count:
                self._changed.clear()
                await self._changed.wait()

    @asynccontextmanager
    async def connected(
        self,
        clock: Clock | None = None,
        *,
        qps: float = 0,
        burst: int = 1,
        timeout: timedelta = REQUEST_TIMEOUT,  # noqa: ASYNC109 - an option of the client
    ) -> AsyncIterator[Kube]:
        """Connect to this server as the operator does, by kubeconfig and token."""
        kubeconfig = write_kubeconfig(self._folder / "kubeconfig", self.url, TOKEN)
        options = KubeOptions(kubeconfig=kubeconfig, qps=qps, burst=burst, timeout=timeout)
        kube = await Kube.connect(options, clock or SystemClock())
        try:
            yield kube
        finally:
            await kube.close()

    async def stop(self) -> None:
        """Cut all connections; new ones are refused."""
        # Handlers that hang would keep the runner waiting.
        for task in tuple(self.handling):
            task.cancel()
        if self.runner is not None:
            await self.runner.cleanup()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note the request and give the next answer."""
        method = "WATCH" if request.query.get("watch") == "true" else request.method
        body: JsonValue = None
        if request.can_read_body:
            text = await request.read()
            body = decode(text) if text.startswith(b"{") else text.decode()
        peer = request.transport.get_extra_info("peername") if request.transport else ("", 0)
        self.requests.append(
            Asked(
                method=method,
                path=request.path,
                query=dict(request.query),
                headers=dict(request.headers),
                body=body,
                port=peer[1],
            )
        )
        self._changed.set()
        answers = self._routes.get((method, request.path))
        if not answers:
            return await refusal(404)(request)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        task = asyncio.ensure_future(answer(request))
        self.handling.add(task)
        task.add_done_callback(self.handling.discard)
        return await task


@asynccontextmanager
async def running_api_server(
    folder: Path, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ApiServer]:
    """Serve on loopback, on a free port if none is given."""
    server = ApiServer(folder)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = server.runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    host, port = runner.addresses[0][:2]
    server.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield server
    finally:
        await server.stop()


# -- answers


def reply(document: JsonObject, status: int = 200, **headers: str) -> Answer:
    """Answer with a document."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(
            body=encode(document),
            status=status,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            content_type="application/json",
        )

    return answer


def refusal(status: int, reason: str = "", message: str = "no", **headers: str) -> Answer:
    """Answer with a Status object."""
    return reply(a_status(status, reason, message), status, **headers)


def a_status(status: int, reason: str = "", message: str = "no") -> JsonObject:
    """Return a Status object."""
    return {"kind": "Status", "code": status, "reason": reason, "message": message}


def listing(*items: JsonObject, version: str = "10", more: str = "") -> Answer:
    """Answer with a page of a list; `more` is the token of the next one."""
    metadata = {"resourceVersion": version, "continue": more}
    return reply({"metadata": metadata, "items": list(items)})


def stream(
    *pieces: bytes | JsonObject,
    then: str = "end",
    every: timedelta = timedelta(),
    until: asyncio.Event | None = None,
) -> Answer:
    """Answer with a watch: events (or raw bytes), then `end`, `hang` or `cut` the connection.

    Before each piece `every` passes; after the last, `until` is waited for.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for piece in pieces:
            await asyncio.sleep(every.total_seconds())
            await response.write(piece if isinstance(piece, bytes) else encode(piece) + b"\n")
        if until is not None:
            await until.wait()
        if then == "hang":
            await asyncio.Event().wait()
        if then == "cut" and request.transport:
            request.transport.abort()
        return response

    return answer


def late(duration: timedelta, answer: Answer) -> Answer:
    """Answer after a while."""

    async def wait(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(duration.total_seconds())
        return await answer(request)

    return wait


def hung_up() -> Answer:
    """Close the connection instead of answering."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.transport:
            request.transport.abort()
        return web.Response()

    return answer


# -- what is watched


def a_pod(name: str, version: str = "1", uid: str = "", namespace: str = "ns") -> JsonObject:
    """Return a pod with nothing but metadata."""
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": uid or f"uid-of-{name}",
            "resourceVersion": version,
        }
    }


def event(kind: str, document: JsonObject) -> JsonObject:
    """Return a watch event."""
    return {"type": kind, "object": document}


def bookmark(version: str) -> JsonObject:
    """Return a bookmark."""
    return event("BOOKMARK", {"metadata": {"resourceVersion": version}})
