"""An HTTP reverse proxy of ours between an operator and the API server, that can do it harm.

    async with a_fault_proxy(control_plane) as proxy:
        kubeconfig = proxy.kubeconfig             # for the operator
        proxy.inject(KillBefore(3))

Plain HTTP in front; the API server's TLS behind; the operator's own token goes through.  Watches
pass line by line.  One proxy is one life of one operator: once severed, it stays so.
"""

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import AsyncIterator
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from faults.exchange import Answer, Asked, Cut, Decided, End, Forward, Stream
from faults.faults import Fault, Where
from faults.stopper import KillAfter, KillBefore
from support.control_plane import ControlPlane, write_kubeconfig

F = TypeVar("F", bound=Fault)

_TO_SERVER = ("Authorization", "Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_TO_CLIENT = ("Content-Type", "Warning", "Retry-After")
_LARGEST_BYTES = 16 * 1024 * 1024
_BAD_GATEWAY = 502
_LISTED = b'"k8s.io/initial-events-end"'


class FaultProxy:
    """Passes everything on, but for what the injected faults do. Made by `a_fault_proxy`."""

    def __init__(self, plane: ControlPlane, session: aiohttp.ClientSession) -> None:
        self.kubeconfig = Path()
        """What the operator under test is given."""
        self.asked: list[Asked] = []
        """Every request that arrived, in order."""
        self.writes: list[Asked] = []
        """The writes among them, without events, Leases and reviews."""
        self.is_severed = False
        self._plane = plane
        self._session = session
        self._faults: list[Fault] = []
        self._streams: set[Stream] = set()
        self._handling: set[asyncio.Task[None]] = set()
        self._in_flight: set[asyncio.Task[Answer]] = set()
        self._transports: set[asyncio.BaseTransport] = set()
        self._arrived = asyncio.Event()

    # -- what a test does to it

    def inject(self, fault: F) -> F:
        """Let `fault` act upon what comes from now on, lines of open watches included."""
        if isinstance(fault, KillBefore | KillAfter):
            fault.sever = self.sever
        self._faults.append(fault)
        return fault

    def withdraw(self, fault: Fault) -> None:
        """Let `fault` act no more, spent or not."""
        if fault in self._faults:
            self._faults.remove(fault)

    def sever(self) -> None:
        """Cut every connection and take no other: the operator is dead to the API server.

        What was on its way to the API server by then arrives there; see `drained`.
        """
        self.is_severed = True
        for transport in tuple(self._transports):
            _abort(transport)
        me = asyncio.current_task()
        for task in tuple(self._handling):
            if task is not me:
                task.cancel()

    async def drained(self) -> None:
        """Wait until no request is on its way to the API server."""
        while self._in_flight:
            await asyncio.wait(tuple(self._in_flight))

    def end_streams(self, where: Where) -> int:
        """End the open watches of that kind, as the API server does now and then; count them."""
        chosen = [stream for stream in self._streams if where(stream.asked)]
        for stream in chosen:
            stream.end()
        return len(chosen)

    async def until_asked(self, where: Where, count: int = 1) -> None:
        """Wait until so many such requests have arrived, earlier ones included."""
        while sum(1 for asked in self.asked if where(asked)) < count:
            self._arrived.clear()
            await self._arrived.wait()

    # -- one request

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one request; aiohttp calls this."""
        transport = request.transport
        if transport is None:
            return web.Response()
        self._transports.add(transport)
        asked = await _read(request)
        if self.is_severed:
            return _hang_up(transport)
        self.asked.append(asked)
        if asked.is_write:
            self.writes.append(asked)
        self._arrived.set()
        response: list[web.StreamResponse] = []
        task = asyncio.create_task(self._serve(request, asked, response), name=f"serve {asked}")
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)
        try:
            await task
        except (Cut, asyncio.CancelledError, ConnectionError):
            _abort(transport)
        return response[0] if response else web.Response()

    async def _serve(
        self, request: web.Request, asked: Asked, response: list[web.StreamResponse]
    ) -> None:
        answer = await self._through_faults(asked)
        if answer.lines is None:
            made = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
            response.append(made)
            return
        stream = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.append(stream)
        await stream.prepare(request)
        try:
            await self._pipe(asked, answer.lines, stream)
        except Cut as cut:
            if cut.after:
                await stream.write(cut.after)
            raise

    async def _through_faults(self, asked: Asked) -> Answer:
        """Ask the API server through the faults that meet this request, the latest outermost."""
        forward: Forward = self._forward
        for fault in tuple(self._faults):
            if fault.where(asked):
                forward = partial(self._meet, fault, forward)
        return await forward(asked)

    async def _meet(self, fault: Fault, forward: Forward, asked: Asked) -> Answer:
        try:
            return await fault.answer(asked, forward)
        finally:
            self._forget_if_spent(fault)

    def _forget_if_spent(self, fault: Fault) -> None:
        if fault.is_spent:
            self.withdraw(fault)

    # -- the API server's side

    async def _forward(self, asked: Asked) -> Answer:
        """Ask the API server. Once sent, a request arrives, even if the operator dies."""
        if asked.verb == "watch":
            return await self._watch(asked)
        task = asyncio.create_task(self._ask(asked), name=f"forward {asked}")
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return await asyncio.shield(task)

    async def _ask(self, asked: Asked) -> Answer:
        try:
            async with self._request(asked) as response:
                body = await response.read()
                return Answer(response.status, body, headers=_headers(response))
        except aiohttp.ClientError as error:
            return Answer(_BAD_GATEWAY, str(error).encode())

    async def _watch(self, asked: Asked) -> Answer:
        response = await self._request(asked)
        if response.status != 200:
            async with response:
                return Answer(response.status, await response.read(), headers=_headers(response))
        return Answer(200, lines=_lines(response), headers=_headers(response))

    def _request(self, asked: Asked) -> "aiohttp.client._RequestContextManager":
        return self._session.request(
            asked.method,
            URL(f"{self._plane.url}{asked.target}", encoded=True),
            data=asked.body or None,
            headers={name: asked.headers[name] for name in _TO_SERVER if name in asked.headers},
            allow_redirects=False,
        )

    async def _pipe(
        self, asked: Asked, lines: AsyncIterator[bytes], response: web.StreamResponse
    ) -> None:
        """Pass the lines of a watch on, through the faults of the moment."""
        stream = Stream(asked)
        self._streams.add(stream)
        reading = asyncio.create_task(_read_into(stream, lines), name=f"read {asked}")
        try:
            while True:
                for line in self._become(stream, await stream.queue.get()):
                    await response.write(line)
        except End as end:
            if end.last:
                await response.write(end.last)
        finally:
            self._streams.discard(stream)
            reading.cancel()
            await asyncio.wait({reading})

    def _become(self, stream: Stream, item: bytes | Decided | End | Cut) -> list[bytes]:
        """Return what is sent for an item of the stream's queue.

        Raises:
            End: the stream is over.
            Cut: it is cut.
        """
        if stream.is_silent:
            return []  # not even its end can be seen
        if isinstance(item, End | Cut):
            raise item
        if isinstance(item, Decided):
            return [item.line]
        if _LISTED in item:
            stream.is_listing = False
        lines = [item]
        for fault in tuple(self._faults):
            if fault.where(stream.asked):
                lines = [out for each in lines for out in fault.line(stream, each)]
                self._forget_if_spent(fault)
        return [] if stream.is_silent else lines


@contextlib.asynccontextmanager
async def a_fault_proxy(plane: ControlPlane) -> AsyncIterator[FaultProxy]:
    """A proxy that listens, on a loopback port of its own."""
    trust = _trust(plane.ca) if plane.url.startswith("https:") else True
    connector = aiohttp.TCPConnector(limit=0, ssl=trust)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        proxy = FaultProxy(plane, session)
        application = web.Application(client_max_size=_LARGEST_BYTES)
        application.router.add_route("*", "/{path:.*}", proxy.handle)
        # A client that hangs up ends its watch, here and behind; what is sent on is shielded.
        runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=1, handler_cancellation=True
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        proxy.kubeconfig = write_kubeconfig(
            plane.folder / f"kubeconfig-{secrets.token_hex(4)}",
            f"http://{host}:{port}",
            plane.token,
        )
        try:
            yield proxy
        finally:
            proxy.sever()
            await proxy.drained()
            await runner.cleanup()
            proxy.kubeconfig.unlink()


@cache
def _trust(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca))


async def _read(request: web.Request) -> Asked:
    return Asked(
        method=request.method,
        path=request.path,
        query=dict(request.query),
        headers=dict(request.headers),
        body=await request.read(),
        target=request.raw_path,
    )


def _headers(response: aiohttp.ClientResponse) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, value) for name in _TO_CLIENT for value in response.headers.getall(name, ())
    )


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Split a watch into lines, ends included; what is cut off at the end passes as it is."""
    rest = b""
    async with response:
        async for piece in response.content.iter_any():
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield line + b"\n"
    if rest:
        yield rest


async def _read_into(stream: Stream, lines: AsyncIterator[bytes]) -> None:
    try:
        async for line in lines:
            stream.queue.put_nowait(line)
    except aiohttp.ClientError:
        stream.cut()
    except Cut as cut:
        stream.queue.put_nowait(cut)
    else:
        stream.end()


def _hang_up(transport: asyncio.BaseTransport) -> web.Response:
    _abort(transport)
    return web.Response()


def _abort(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
