"""The API server over HTTP; the only importer of the official client.

Taken from the official client: configuration (in-cluster, kubeconfig, exec plugins), TLS and the
aiohttp session.  Not taken: its generated models and `*Api` classes, which cost 0.3 ms a read and
1 ms a write against 0.15 ms for bytes and orjson, and 30 MB to import.

Retries of requests are here and nowhere else: bounded, honouring Retry-After, and only for what
may be sent twice.  A create is retried only if the server said that it did nothing (429).

One `Kube` belongs to one event loop.  Writes pass a *fence* at the last moment before their bytes
leave, so that a process that lost its Lease while it was frozen or waiting cannot write.
"""

import ray_operator.operator.lean_client  # noqa: F401 - must come before the client

# isort: split

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import aiohttp
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.aio.config.incluster_config import (
    SERVICE_TOKEN_FILENAME,
    InClusterConfigLoader,
)
from kubernetes.aio.config.kube_config import load_kube_config
from prometheus_client import Counter, Histogram
from yaml import YAMLError
from yarl import URL

from ray_operator.operator import metrics, tracing
from ray_operator.operator.clock import Clock
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    decode,
    encode,
    get_object,
    get_objects,
    get_text,
)
from ray_operator.operator.errors import (
    KubeError,
    SettingsError,
    Unreachable,
)
from ray_operator.operator.fence import Fence
from ray_operator.operator.keys import Key
from ray_operator.operator.limiter import Limiter
from ray_operator.operator.logs import Logger
from ray_operator.operator.resources import Resource
from ray_operator.operator.retries import repeat
from ray_operator.operator.standard_metrics import STANDARD_NAMES
from ray_operator.operator.wire import (
    Call,
    Page,
    RawAnswer,
    Verb,
    WatchEvent,
    WatchRequest,
    Written,
    carries_resource_version,
    keepalive_socket,
    raise_for_status,
    read_bounded,
    read_event,
    read_lines,
    read_warnings,
    transport_errors_as_ours,
)

log = Logger(__name__)

CONNECTIONS = 64
"""Requests at once. More don't go faster (one core), fewer mean TLS handshakes of 1.6 ms each."""

CONNECT_TIMEOUT = timedelta(seconds=5)
REQUEST_TIMEOUT = timedelta(seconds=30)
"""The API server's own limit for admission webhooks is 30 s; beyond it nothing comes any more."""

TOKEN_LIFE = timedelta(seconds=60)
"""How long a ServiceAccount token is used before its file is read again (the kubelet replaces it
at 80 % of its life, at least 10 minutes before its end)."""

ACCOUNT = Path(SERVICE_TOKEN_FILENAME).parent

PLUGIN_TIMEOUT = timedelta(seconds=30)
"""How long the plugin that a kubeconfig names for getting a token may take: all requests wait."""

_JSON = "application/json"
_METADATA = f"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{_JSON}"
"""Half of a pod's 10 kB are spec and status, which both sides would write and read for nothing."""

_HEADERS: Mapping[str, str] = {
    # Decompressing costs more than it saves between two machines of one cluster.
    "Accept-Encoding": "identity",
    "User-Agent": "ray-operator",
}


@dataclass(frozen=True, slots=True)
class KubeOptions:
    """How to connect. Without `kubeconfig`: in-cluster if `in_cluster`, else the default file."""

    kubeconfig: Path | None = None
    in_cluster: bool = False
    qps: float = 0.0
    burst: int = 1
    timeout: timedelta = REQUEST_TIMEOUT
    """How long a request may take, from its connection to the last byte of its answer."""
    account: Path = ACCOUNT
    """Where the kubelet keeps the ServiceAccount's token and the CA's certificate."""


class Kube:
    """One connection pool to one API server. Made by `connect`, ended by `close`."""

    def __init__(
        self,
        credentials: "_Credentials",
        limiter: Limiter,
        clock: Clock,
        timeout: timedelta = REQUEST_TIMEOUT,
    ) -> None:
        self._whole = aiohttp.ClientTimeout(
            total=timeout.total_seconds(), sock_connect=CONNECT_TIMEOUT.total_seconds()
        )
        self._credentials = credentials
        self._limiter = limiter
        self._clock = clock
        self.streams_lists = False
        """Whether informers may ask for streaming lists; see `introduction.py`."""
        self.fence = Fence()
        """Each write passes it at the last moment."""
        transport = _Transport(credentials.configuration)
        self._short = transport.open_session(CONNECTIONS, self.fence.trace())
        # Watches and proxied calls are bounded by who makes them, and must not keep writes waiting.
        self._long = transport.open_session(0, self.fence.trace())
        self._base = credentials.configuration.host.rstrip("/")
        STANDARD_NAMES.api_host = URL(self._base).authority
        self._extra = transport.request_options()

    @classmethod
    async def connect(cls, options: KubeOptions, clock: Clock) -> "Kube":
        """Read the configuration and open the pools; nothing is sent yet.

        Raises:
            SettingsError: there is no usable configuration.
        """
        credentials = _Credentials(options, clock)
        await credentials.load()
        limiter = Limiter(options.qps, options.burst, clock)
        return cls(credentials, limiter, clock, options.timeout)

    async def close(self) -> None:
        """Close the connections."""
        await self._short.close()
        await self._long.close()

    # -- reads

    async def get(self, resource: Resource, key: Key, *, wants_all: bool = True) -> JsonObject:
        """Read one object, past every cache; with `wants_all=False` only its metadata."""
        accept = _JSON if wants_all else _METADATA
        return await self._read(
            Call("get", str(resource), "GET", resource.path(*key), accept=accept)
        )

    async def get_path(self, path: str) -> JsonObject:
        """Read a document that is no object: `/version`, or a group's discovery."""
        return await self._read(Call("get", "nonresource", "GET", path))

    async def list_pages(
        self, resource: Resource, *, namespace: str = "", selector: str = "", limit: int = 100
    ) -> AsyncGenerator[Page, None]:
        """Read a collection piece by piece: memory is bounded by a page.

        Raises:
            Gone: the list changed too much meanwhile; begin again.
        """
        query = {"limit": str(limit)}
        if selector:
            query["labelSelector"] = selector
        while True:
            path = resource.path(namespace)
            document = await self._read(Call("list", str(resource), "GET", path, dict(query)))
            metadata = get_object(document, "metadata")
            items = get_objects(document, "items")
            del document
            yield Page(items, get_text(metadata, "resourceVersion"))
            del items  # two pages are never in memory
            query["continue"] = get_text(metadata, "continue")
            if not query["continue"]:
                return

    async def watch(self, request: WatchRequest) -> AsyncGenerator[WatchEvent, None]:
        """Follow a collection until the server ends the stream; not retried here.

        Raises:
            Gone: the resource version is too old, in whichever of its forms the server says so.
            Unreachable: the stream broke, fell silent, or holds what is no JSON.
        """
        call = request.call()
        timeout = aiohttp.ClientTimeout(
            sock_connect=CONNECT_TIMEOUT.total_seconds(), sock_read=request.idle.total_seconds()
        )
        await self._limiter.wait()
        with transport_errors_as_ours(call):
            async with await self._open(self._long, call, timeout) as response:
                await raise_for_status(call, response)
                request.heard()
                async for line in read_lines(response.content, request.heard):
                    yield read_event(call, line)

    # -- writes

    async def create(
        self,
        resource: Resource,
        manifest: JsonObject,
        *,
        repeatable: bool = False,
        wants_all: bool = True,
    ) -> Written:
        """Create an object in the namespace that its metadata names.

        `repeatable` allows retries after an unknown outcome, for callers who don't mind
        `AlreadyExists`.  Who needs no more than the metadata of what was made says so with
        `wants_all=False`.
        """
        call = Call(
            verb="create",
            resource=str(resource),
            method="POST",
            path=resource.path(get_text(get_object(manifest, "metadata"), "namespace")),
            query={"fieldValidation": "Warn"},
            body=encode(manifest),
            accept=_JSON if wants_all else _METADATA,
            repeatable=repeatable,
        )
        return await self._ask(call)

    async def replace(self, resource: Resource, key: Key, document: JsonObject) -> Written:
        """Put a whole object; the resourceVersion in it must be the current one."""
        path = resource.path(*key)
        body = encode(document)
        return await self._ask(
            Call("update", str(resource), "PUT", path, body=body, repeatable=False)
        )

    async def patch(
        self,
        resource: Resource,
        key: Key,
        patch: JsonValue,
        *,
        subresource: str = "",
        kind: Literal["merge", "json"] = "merge",
    ) -> Written:
        """Change an object by a merge patch (an object) or a JSON patch (an array).

        Of the object after it only the metadata comes back.
        """
        call = Call(
            verb="patch",
            resource=f"{resource}/{subresource}" if subresource else str(resource),
            method="PATCH",
            path=resource.path(*key, subresource),
            body=encode(patch),
            content_type=f"application/{'merge' if kind == 'merge' else 'json'}-patch+json",
            accept=_METADATA,
            repeatable=kind == "merge" and not carries_resource_version(patch),
        )
        return await self._ask(call)

    async def delete(
        self,
        resource: Resource,
        key: Key,
        *,
        uid: str | None = None,
        grace: timedelta | None = None,
    ) -> None:
        """Delete an object, its children in the background.

        Raises:
            Conflict: the object has another UID.
        """
        options: dict[str, JsonValue] = {"propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = round(grace.total_seconds())
        path = resource.path(*key)
        await self._ask(Call("delete", str(resource), "DELETE", path, body=encode(options)))

    # -- anything else

    async def raw(  # noqa: PLR0913 - the parts of an HTTP request
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        timeout: timedelta,  # noqa: ASYNC109 - a bound on the whole exchange, part of the request
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> RawAnswer:
        """Ask anything (the proxy to a Service or pod): no retry, no rate limit, no judgement.

        Raises:
            Unreachable: there was no answer, or one of more than 16 MiB.
            Fenced: it is no GET, and this process may no longer lead.
        """
        verb = _VERBS.get(method, "get")
        call = Call(verb, PROXY, method, path, body=body, content_type=content_type)
        if call.is_write:
            self.fence.check(call)
        total = aiohttp.ClientTimeout(
            total=timeout.total_seconds(), sock_connect=CONNECT_TIMEOUT.total_seconds()
        )
        with tracing.call(f"{verb} {PROXY}", path=path), transport_errors_as_ours(call):
            async with await self._open(self._long, call, total, headers) as response:
                answer = await read_bounded(response)
                return RawAnswer(response.status, answer, response.content_type)

    async def has_credentials(self) -> bool:
        """Tell whether there is a token or a client certificate to show to the API server."""
        return await self._credentials.are_present()

    # -- how a request is sent

    async def _read(self, call: Call) -> JsonObject:
        return (await self._ask(call)).document

    async def _ask(self, call: Call) -> Written:
        """Send, with retries; return a successful answer."""
        with tracing.call(f"{call.verb} {call.resource}", verb=call.verb, resource=call.resource):
            try:
                return await self._attempt(call)
            except KubeError as error:
                return await repeat(self._attempt, call, error, self._clock)

    async def _attempt(self, call: Call) -> Written:
        await self._limiter.wait()
        if call.is_write:
            self.fence.check(call)
        started = self._clock.monotonic()
        try:
            with transport_errors_as_ours(call):
                async with await self._open(self._short, call, self._whole) as response:
                    await raise_for_status(call, response)
                    document = decode(await response.read())
                    return Written(document, read_warnings(response))
        except Unreachable:
            _count(call, 0)
            raise
        finally:
            seconds = self._clock.monotonic() - started
            _seconds_of(call.verb, call.resource).observe(seconds)

    async def _open(
        self,
        session: aiohttp.ClientSession,
        call: Call,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own time-outs
        headers: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """Send once; after a 401, once more with credentials that were read again."""
        shown = await self._credentials.header()
        response = await self._send(session, call, timeout, {**(headers or {}), **shown})
        if response.status != 401:  # noqa: PLR2004 - HTTP's number says it best
            return response
        renewed = await self._credentials.renew(shown)
        if call.resource == PROXY and renewed == shown:
            return response  # it is Ray that refuses: the caller shall see it
        response.release()
        return await self._send(session, call, timeout, {**(headers or {}), **renewed})

    async def _send(
        self,
        session: aiohttp.ClientSession,
        call: Call,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own time-outs
        headers: Mapping[str, str],
    ) -> aiohttp.ClientResponse:
        url = URL(f"{self._base}{call.path}", encoded=True)
        response = await session.request(
            call.method,
            url.with_query(call.query) if call.query else url,
            data=call.body,
            headers={
                "Content-Type": call.content_type,
                "Accept": call.accept,
                **_HEADERS,
                **tracing.headers(),
                **headers,
            },
            timeout=timeout,
            allow_redirects=False,
            trace_request_ctx=call if call.is_write else None,
            **self._extra,
        )
        _count(call, response.status)
        return response


PROXY = "proxy"
"""What is asked through the API server, in the place of a resource."""

_VERBS: Mapping[str, Verb] = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
"""What the API server calls the methods of requests to a proxy."""


def _count(call: Call, status: int) -> None:
    _requests_of(call.verb, call.resource, status).inc()


# Finding a series by its labels costs more than counting in it; there are a few dozen.
@cache
def _requests_of(verb: str, resource: str, status: int) -> Counter:
    return metrics.API_REQUESTS.labels(verb, resource, str(status))


@cache
def _seconds_of(verb: str, resource: str) -> Histogram:
    return metrics.API_REQUEST_SECONDS.labels(verb, resource)


class _Credentials:
    """The official client's configuration, read again when a token ages or is refused."""

    def __init__(self, options: KubeOptions, clock: Clock) -> None:
        self.configuration: Any = Configuration(
            client_session_kwargs={
                # Proxies of the environment are for the outside world; asking for them costs
                # 0.1 ms a request.
                "trust_env": False,
                "cookie_jar": aiohttp.DummyCookieJar(),
            }
        )
        self._options = options
        self._clock = clock
        self._loaded = 0.0
        self._header: Mapping[str, str] | None = None
        self._renewing = asyncio.Lock()

    async def load(self) -> None:
        """Read token, certificates and address.

        Raises:
            SettingsError: there is no usable configuration.
        """
        try:
            await self._load()
        except (ConfigException, OSError, YAMLError, TypeError, KeyError, AttributeError) as error:
            # The loader indexes into what may be no kubeconfig at all, hence the last three.
            cause = str(error) or type(error).__name__
            raise SettingsError(f"no usable configuration for the API server: {cause}") from error
        finally:
            self._header = None
            self._loaded = self._clock.monotonic()

    async def _load(self) -> None:
        in_cluster: Any = InClusterConfigLoader
        from_file: Any = load_kube_config
        file = self._options.kubeconfig
        if self._options.in_cluster and file is None:
            token, ca = self._options.account / "token", self._options.account / "ca.crt"
            loader = in_cluster(str(token), str(ca), False)  # noqa: FBT003 - we renew the token
            loader.load_and_set(self.configuration)
        else:
            async with asyncio.timeout(PLUGIN_TIMEOUT.total_seconds()):
                await from_file(
                    str(file) if file else None,
                    client_configuration=self.configuration,
                    persist_config=False,
                )

    async def header(self) -> Mapping[str, str]:
        """Return the Authorization header; empty if only a certificate identifies us.

        As long as the credentials have not been read again, it is the same object.
        """
        age = self._clock.monotonic() - self._loaded
        if self._options.in_cluster and age > TOKEN_LIFE.total_seconds():
            await self._load_again()
        if self._header is None:
            key = await self.configuration.get_api_key_with_prefix("BearerToken")
            self._header = {"Authorization": key.strip()} if key else {}
        return self._header

    async def renew(self, refused: Mapping[str, str]) -> Mapping[str, str]:
        """Return the header to use instead of the one that was refused.

        Of many requests that are refused together, one reads the credentials again.
        """
        async with self._renewing:
            if await self.header() is refused:
                await self._load_again()
            return await self.header()

    async def _load_again(self) -> None:
        """A file that can't be read for a moment ends nothing: what is known is shown again."""
        try:
            await self.load()
        except SettingsError as error:
            log.warning("the credentials can't be read again", error=str(error))

    async def are_present(self) -> bool:
        """Tell whether there is anything to show to the API server."""
        return bool(await self.header() or self.configuration.cert_file)


class _Transport(RESTClientObject):
    """The official transport, with sockets that notice a dead peer."""

    def open_session(self, connections: int, trace: aiohttp.TraceConfig) -> aiohttp.ClientSession:
        """Open a pool of so many connections; 0 is unlimited."""
        self.maxsize = connections
        self.configuration.trace_configs = [trace]
        return self._create_pool_manager()

    def request_options(self) -> dict[str, Any]:
        """Return what a kubeconfig may ask for each request: proxy and TLS name."""
        options = {
            "proxy": self.proxy,
            "proxy_headers": self.proxy_headers,
            "server_hostname": self.configuration.tls_server_name,
        }
        return {name: value for name, value in options.items() if value}

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            limit=self.maxsize,
            ssl=self.ssl_context,
            keepalive_timeout=60,
            socket_factory=keepalive_socket,
        )
