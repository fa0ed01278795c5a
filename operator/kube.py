"""The API server over HTTP: the only importer of `kubernetes`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from ray_operator.operator.documents import JsonObject, JsonValue
from ray_operator.operator.keys import Key
from ray_operator.operator.resources import Resource


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


class Kube:
    """One connection pool to one API server. Belongs to one event loop."""

    async def get(self, resource: Resource, key: Key) -> JsonObject:
        """Read one object, past every cache."""
        raise NotImplementedError

    def list_pages(
        self, resource: Resource, *, namespace: str = "", selector: str = "", limit: int = 100
    ) -> AsyncIterator[Page]:
        """Read a collection piece by piece."""
        raise NotImplementedError

    async def create(self, resource: Resource, manifest: JsonObject) -> Written:
        """Create an object in the namespace that its metadata names."""
        raise NotImplementedError

    async def patch(
        self,
        resource: Resource,
        key: Key,
        patch: JsonValue,
        *,
        subresource: str = "",
        kind: Literal["merge", "json"] = "merge",
    ) -> Written:
        """Change an object by a merge patch (an object) or a JSON patch (an array)."""
        raise NotImplementedError

    async def delete(
        self,
        resource: Resource,
        key: Key,
        *,
        uid: str | None = None,
        grace: timedelta | None = None,
    ) -> None:
        """Delete an object, its children in the background."""
        raise NotImplementedError

    async def raw(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        timeout: timedelta,  # noqa: ASYNC109 - a bound on the whole exchange, part of the request
        content_type: str = "application/json",
    ) -> RawAnswer:
        """Ask anything (the proxy to a Service or pod): no retry, no rate limit, no judgement.

        Raises:
            Unreachable: there was no answer.
        """
        raise NotImplementedError
