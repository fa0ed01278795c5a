"""How a request reaches a pod: straight to its address, or through the API server.

Inside the cluster `Direct` is used.  From outside (`make run`, --use-kubernetes-proxy) only the API
server can be reached, and `Proxied` asks it to pass the request on.  Both send one request, follow
no redirect, retry nothing, read a bounded answer, and turn every failure into a `DashboardError`.
"""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Protocol

import aiohttp
import orjson

from ray_operator.controllers.dashboard.address import Endpoint
from ray_operator.controllers.dashboard.errors import DashboardError, Trouble
from ray_operator.operator.errors import Fenced, Unreachable
from ray_operator.operator.fence import Fence

LARGEST_ANSWER_BYTES = 16 * 1024 * 1024
"""A thousand deployments with their replicas stay below 2 MiB; more than this is no answer."""
CONNECT_TIMEOUT = timedelta(seconds=2)
"""A pod's address in the same cluster: the handshake takes milliseconds or never ends."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    `call` names the request in metrics, one of a closed set.  `timeout` bounds all of it, from the
    connection to the answer's last byte.
    """

    call: str
    method: str
    path: str
    timeout: timedelta
    body: bytes | None = None

    @property
    def is_write(self) -> bool:
        """Whether it tells Ray something."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """The body for people."""
        return self.body.decode(errors="replace").strip()


class Transport(Protocol):
    """One way to reach pods."""

    async def send(self, endpoint: Endpoint, request: Request) -> Answer:
        """Send one request and return its answer of any status.

        Raises:
            DashboardError: nothing listens, or no complete answer came in time.
        """
        ...


def base_url(endpoint: Endpoint) -> str:
    """Return the URL of a pod's port, with IPv6 addresses in brackets."""
    ip = endpoint.pod.ip
    host = f"[{ip}]" if ":" in ip and ipaddress.ip_address(ip).version == 6 else ip  # noqa: PLR2004 — IPv6
    return f"http://{host}:{endpoint.port}"


class Direct:
    """Sends to the pod's own address.

    Args:
        locate: where an endpoint is; tests put their fake Ray here.
        fence: what is told to Ray passes it, as all writes do: who may no longer lead must not
            undo what the new leader told it.
    """

    def __init__(
        self, locate: Callable[[Endpoint], str] = base_url, fence: Fence | None = None
    ) -> None:
        self._locate = locate
        self._fence = fence or Fence()
        self._session: aiohttp.ClientSession | None = None

    async def send(self, endpoint: Endpoint, request: Request) -> Answer:
        """See `Transport.send`."""
        timeout = aiohttp.ClientTimeout(
            total=request.timeout.total_seconds(),
            connect=None,
            sock_connect=CONNECT_TIMEOUT.total_seconds(),
        )
        url = self._locate(endpoint) + request.path
        try:
            if request.is_write:
                self._fence.check(request.call)
            async with self._opened().request(
                request.method,
                url,
                data=request.body,
                headers={"Content-Type": "application/json", "User-Agent": "ray-operator"},
                timeout=timeout,
                allow_redirects=False,
                trace_request_ctx=request.call if request.is_write else None,
            ) as response:
                return Answer(response.status, await _read(response.content))
        except Fenced as error:
            raise DashboardError(Trouble.REFUSED, str(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DashboardError(_trouble(error), _describe(endpoint, error)) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        # Made at the first request: a session belongs to the event loop that it was made in.
        if self._session is None:
            # Admission bounds what is under way; the pool must not queue a second time.
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(
                connector=connector, trust_env=False, trace_configs=[self._fence.trace()]
            )
        return self._session


async def _read(content: aiohttp.StreamReader) -> bytes:
    read = bytearray()
    async for chunk in content.iter_any():
        read += chunk
        if len(read) > LARGEST_ANSWER_BYTES:
            raise DashboardError(
                Trouble.SERVER_ERROR, f"the answer is larger than {LARGEST_ANSWER_BYTES} bytes"
            )
    return bytes(read)


def _trouble(error: Exception) -> Trouble:
    match error:
        case TimeoutError():
            return Trouble.TIMEOUT
        case aiohttp.ClientConnectorDNSError():
            return Trouble.DNS
        case aiohttp.ClientConnectorError(os_error=socket.gaierror()):
            return Trouble.DNS
        case aiohttp.ClientConnectorError():
            return Trouble.REFUSED
        case _:
            return Trouble.SERVER_ERROR


def _describe(endpoint: Endpoint, error: Exception) -> str:
    where = f"pod {endpoint.pod.name} port {endpoint.port}"
    match _trouble(error):
        case Trouble.TIMEOUT:
            return f"{where}: no answer in time"
        case Trouble.DNS:
            return f"{where}: its name cannot be resolved"
        case Trouble.REFUSED:
            return f"{where}: no connection: nothing listens there, or the network forbids it"
        case _:
            return f"{where}: the connection broke: {type(error).__name__}"


class ApiServer(Protocol):
    """What is asked of the Kubernetes client: pass a request on, hand any answer back."""

    async def raw(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        timeout: timedelta,  # noqa: ASYNC109
    ) -> "RawAnswer":
        """Send one request to the API server without judging its status."""
        ...


class RawAnswer(Protocol):
    """An answer that nobody has judged yet."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def body(self) -> bytes:
        """The body as it came."""
        ...


class Proxied:
    """Sends through the API server's pod proxy: slower, but it works from outside the cluster."""

    def __init__(self, api_server: ApiServer) -> None:
        self._api_server = api_server

    async def send(self, endpoint: Endpoint, request: Request) -> Answer:
        """See `Transport.send`."""
        pod = endpoint.pod
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}:{endpoint.port}/proxy"
        try:
            raw = await self._api_server.raw(
                request.method, path + request.path, body=request.body, timeout=request.timeout
            )
        except Unreachable as error:
            raise DashboardError(
                Trouble.TIMEOUT, f"pod {pod.name} port {endpoint.port}: {error}"
            ) from error
        except Fenced as error:
            raise DashboardError(Trouble.REFUSED, str(error)) from error
        answer = Answer(raw.status, raw.body)
        _raise_for_proxy(endpoint, answer)
        return answer

    async def close(self) -> None:
        """Nothing of our own is open."""


def _raise_for_proxy(endpoint: Endpoint, answer: Answer) -> None:
    """Tell the API server's own failures, which come as a `Status` object, from Ray's."""
    if answer.status < HTTPStatus.BAD_REQUEST:
        return
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return
    if not isinstance(document, dict) or document.get("kind") != "Status":
        return
    where = f"pod {endpoint.pod.name} port {endpoint.port}, through the API server"
    message = f"{where}: {document.get('message', answer.status)}"
    match answer.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise DashboardError(Trouble.UNAUTHORIZED, message)
        case HTTPStatus.NOT_FOUND:
            raise DashboardError(Trouble.NOT_FOUND, message)
        case HTTPStatus.GATEWAY_TIMEOUT:
            raise DashboardError(Trouble.TIMEOUT, message)
        case _:
            # 503 "error trying to reach service": the connection was refused or reset.
            raise DashboardError(Trouble.REFUSED, message)
