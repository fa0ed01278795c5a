"""A bare client of the API server: one token, a bounded number of connections, no frills."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import orjson

from ray_operator.operator.documents import JsonObject, decode

LONGEST_LINE_BYTES = 1 << 20
"""A watch line holds a whole object; aiohttp's default of 64 KiB is near what a pod can take."""
CALL_SECONDS = 60.0
BUSY = 429
BUSY_SECONDS = 1.0
"""What the API server puts into Retry-After."""
WATCH_SECONDS = 3600
"""Longer than any scenario, so that a watch that ends is an error."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is and who asks."""

    url: str
    ca: Path
    token: str


class Refused(RuntimeError):  # noqa: N818  # it reads as what happened
    """The API server said no."""

    def __init__(self, what: str, status: int, text: str) -> None:
        super().__init__(f"{what}: {status} {text[:300]}")
        self.status = status


class Api:
    """Calls in the name of one identity, over at most `connections` connections."""

    def __init__(self, access: Access, connections: int) -> None:
        self._url = access.url
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections, ssl=ssl.create_default_context(cafile=str(access.ca))
            ),
            headers={
                "Authorization": f"Bearer {access.token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CALL_SECONDS),
            read_bufsize=LONGEST_LINE_BYTES,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def get(self, path: str) -> JsonObject:
        """Read an object or a list."""
        return await self._call("GET", path)

    async def create(self, path: str, body: JsonObject | bytes) -> JsonObject:
        """Create an object in the collection at `path`."""
        return await self._call(
            "POST", path, body if isinstance(body, bytes) else orjson.dumps(body)
        )

    async def patch(self, path: str, body: JsonObject) -> JsonObject:
        """Merge `body` into an object."""
        return await self._call("PATCH", path, orjson.dumps(body))

    async def delete(self, path: str) -> None:
        """Delete an object, its dependants in the background."""
        await self._call("DELETE", path, b'{"propagationPolicy":"Background"}')

    async def watch(self, path: str, version: str = "0") -> AsyncIterator[JsonObject]:
        """Yield the events after `version`, until the server ends it; after "0" first all there is.

        The server ends it early for whoever reads too slowly, as we may in the midst of a burst.
        Where it asks for patience (its cache of a new kind isn't filled yet), it is given.

        Raises:
            Refused: the server would not.
        """
        query = f"?watch=1&resourceVersion={version}&timeoutSeconds={WATCH_SECONDS}"
        async with self._session.get(f"{self._url}{path}{query}") as answer:
            if answer.status == BUSY:
                await asyncio.sleep(BUSY_SECONDS)
                return
            if answer.status != 200:  # noqa: PLR2004
                raise Refused(f"watch {path}", answer.status, await answer.text())
            async for line in answer.content:
                yield decode(line)

    async def _call(self, verb: str, path: str, body: bytes | None = None) -> JsonObject:
        kind = "application/merge-patch+json" if verb == "PATCH" else "application/json"
        async with self._session.request(
            verb,
            f"{self._url}{path}",
            data=body,
            headers={"Content-Type": kind},
            timeout=aiohttp.ClientTimeout(total=None, sock_read=CALL_SECONDS),
        ) as answer:
            content = await answer.read()
            if answer.status >= 400:  # noqa: PLR2004
                raise Refused(f"{verb} {path}", answer.status, content.decode(errors="replace"))
            return decode(content)
