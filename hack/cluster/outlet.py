"""A way out for image builds: an HTTP proxy on the host, open only while a build runs.

The Docker daemon's namespace has no route to the outside. A build that is told of this proxy
(``HTTPS_PROXY``) reaches what the host reaches; containers of the cluster know nothing of it.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK_BYTES = 1 << 16


@contextmanager
def outlet(address: str) -> Iterator[str]:
    """The proxy's URL, while the block runs."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(_serve, address, 0))
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, name="outlet", daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{port}"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: ``CONNECT host:port`` for TLS, else a request with a whole URL."""
    with suppress(OSError, ValueError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split()
        if method == "CONNECT":
            host, port = target.rsplit(":", 1)
            upstream = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            host, port, first = _direct(head.decode("latin-1"))
            upstream = await asyncio.open_connection(host, int(port))
            upstream[1].write(first)
        await asyncio.gather(_pump(reader, upstream[1]), _pump(upstream[0], writer))
    writer.close()


def _direct(head: str) -> tuple[str, str, bytes]:
    """Host, port and the request as the server itself wants it, for one request."""
    line, headers = head.split("\r\n", 1)
    method, url, version = line.split()
    authority, slash, path = url.removeprefix("http://").partition("/")
    host, _, port = authority.partition(":")
    kept = [h for h in headers.splitlines() if h and not h.lower().startswith("proxy-")]
    lines = [f"{method} {slash}{path or ''} {version}", *kept, "Connection: close", "", ""]
    return host, port or "80", "\r\n".join(lines).encode("latin-1")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
