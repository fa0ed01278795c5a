"""Fake Rays over real HTTP: dashboard, agent and Serve proxies of any number of pods.

One server plays them all.  A pod's port is a path, the same as behind the API server's proxy, so
that direct and proxied clients are tested against the same thing.  A head remembers what it was
sent and loses it when another pod takes its place, as a real one does.  Scripts are keyed by the
start of the pod's name and may be changed at any moment.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

import orjson
from aiohttp import web

from ray_operator.controllers.dashboard.address import Endpoint
from ray_operator.operator.documents import JsonObject, JsonValue

DASHBOARD = 8265
AGENT = 52365
SERVE = 8000
SLOW_SECONDS = 3.0


class Mode(Enum):
    """How a pod answers."""

    NORMAL = auto()
    HUNG = auto()  # accepts the connection, never answers
    BROKEN = auto()  # 500
    MISSING = auto()  # 404
    GARBAGE = auto()  # 200 with something else than JSON
    REFUSED = auto()  # nothing listens
    SLOW = auto()  # answers after 3 s, when probes have been given up and reports have not
    CUT = auto()  # closes the connection, and has not heard
    CUT_AFTERWARDS = auto()  # does what it is told, and closes the connection without an answer


@dataclass
class Disturbance:
    """Requests that are answered in another mode: `times` of them, after `skip`, at any pod."""

    mode: Mode
    skip: int = 0
    times: int = 1
    acted: int = 0

    def mode_now(self) -> Mode | None:
        """Count a request; return how it is answered, None for as usual."""
        if self.skip:
            self.skip -= 1
            return None
        if self.acted >= self.times:
            return None
        self.acted += 1
        return self.mode


@dataclass
class FakeHead:
    """The Serve of one head pod."""

    received: list[JsonObject] = field(default_factory=list)
    looks: int = 0
    was_up: bool = False
    capacity: JsonValue = None


@dataclass
class FakeRays:
    """What all fake Rays do; the fields are the script.

    `node_ips` tells which nodes the Ray of a head pod has, `life_of` the UID of a pod: another one
    of the same name knows nothing.  `broken` maps import paths to the
    message with which their deployment fails; `rejects` is the text of a 400 to every PUT, "" for
    none.
    `deploying_looks` is how many reports say DEPLOYING before they say RUNNING.
    """

    node_ips: Callable[[str, str], Iterable[str]] = lambda _namespace, _head: ()
    life_of: Callable[[str, str], str] = lambda _namespace, _head: ""
    broken: dict[str, str] = field(default_factory=dict)
    rejects: str = ""
    deploying_looks: int = 1
    ongoing_requests: float = 0.0
    is_agent_dead: bool = False
    serve_api_port: int = DASHBOARD
    statuses: dict[str, str] = field(default_factory=dict)
    proxy_status: dict[str, str] = field(default_factory=dict)
    disturbance: Disturbance | None = None
    heads: dict[tuple[str, str, str], FakeHead] = field(default_factory=dict)
    requests: list[tuple[str, str, int, str]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    base: str = ""
    _modes: list[tuple[str, Mode]] = field(default_factory=list)
    _closed_port: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, pod_prefix: str, mode: Mode) -> None:
        """From now on pods whose names start so answer in this mode; the last word counts."""
        self._modes.append((pod_prefix, mode))

    def mode_of(self, pod: str) -> Mode:
        """Return how a pod answers."""
        fitting = [mode for prefix, mode in self._modes if pod.startswith(prefix)]
        return fitting[-1] if fitting else Mode.NORMAL

    def head(self, namespace: str, pod: str) -> FakeHead:
        """Return the Serve of one head pod."""
        return self.heads.setdefault((namespace, pod, self.life_of(namespace, pod)), FakeHead())

    def received(self, cluster: str) -> list[JsonObject]:
        """Return every config that a head of a cluster was sent, oldest first."""
        return [
            config
            for (_, pod, _), head in self.heads.items()
            if pod.startswith(cluster)
            for config in head.received
        ]

    def locate(self, endpoint: Endpoint) -> str:
        """Return the URL under which this server plays a pod's port."""
        pod = endpoint.pod
        if self.mode_of(pod.name) is Mode.REFUSED:
            return f"http://127.0.0.1:{self._closed_port}"
        return (
            f"{self.base}/api/v1/namespaces/{pod.namespace}/pods/{pod.name}:{endpoint.port}/proxy"
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FakeRays"]:
        """Answer while the body runs."""
        app = web.Application()
        prefix = "/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy"
        app.router.add_route("*", prefix + "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # bound, never listening: connections are refused
            self._closed_port = closed.getsockname()[1]
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield self
            finally:
                self._stopping.set()
                await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        namespace, pod = request.match_info["namespace"], request.match_info["pod"]
        port, path = int(request.match_info["port"]), request.match_info["path"]
        self.requests.append((request.method, pod, port, path))
        self.headers.append(dict(request.headers))
        disturbed = self.disturbance.mode_now() if self.disturbance is not None else None
        mode = disturbed or self.mode_of(pod)
        if mode in _INSTEAD:
            return _INSTEAD[mode]()
        if mode is Mode.HUNG:
            await self._stopping.wait()
            return web.Response(status=503)
        if mode is Mode.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        answer = None
        if mode is not Mode.CUT:
            answer = await self._answer_well(request, self.head(namespace, pod), port, path)
        is_cut = mode in {Mode.CUT, Mode.CUT_AFTERWARDS}
        return _hung_up(request) if is_cut or answer is None else answer

    async def _answer_well(
        self, request: web.Request, head: FakeHead, port: int, path: str
    ) -> web.StreamResponse:
        if path == "-/healthz":
            return web.Response(text="success")
        if path == "api/local_raylet_healthz" and port == AGENT:
            return web.Response(status=500 if self.is_agent_dead else 200, text="success")
        if path == "metrics":
            return web.Response(
                text=f'ray_serve_num_ongoing_http_requests{{node="a"}} {self.ongoing_requests}\n'
            )
        if path != "api/serve/applications/" or port != self.serve_api_port:
            return web.Response(status=404, text="404: Not Found")
        if request.method == "PUT":
            return self._take(head, orjson.loads(await request.read()))
        namespace, pod = request.match_info["namespace"], request.match_info["pod"]
        return self._report(head, self.node_ips(namespace, pod))

    def _take(self, head: FakeHead, config: JsonObject) -> web.Response:
        if self.rejects:
            return web.Response(status=400, text=self.rejects)
        head.received.append(config)
        head.looks = 0
        return web.Response()

    def _report(self, head: FakeHead, node_ips: Iterable[str]) -> web.Response:
        head.looks += 1
        head.was_up |= bool(head.received) and head.looks > self.deploying_looks
        config = head.received[-1] if head.received else {}
        applications = config.get("applications", [])
        assert isinstance(applications, list)
        proxies = {
            f"node-{ip}": {"status": self.proxy_status.get(ip, "HEALTHY"), "node_ip": ip}
            for ip in node_ips
        }
        report = {
            "controller_info": {},
            "proxies": proxies if head.received else {},
            "applications": {a["name"]: self._application(head, a) for a in applications},
            "target_capacity": config.get("target_capacity"),
        }
        return web.json_response(report)

    def _application(self, head: FakeHead, wanted: Mapping[str, JsonValue]) -> JsonObject:
        name, path = str(wanted["name"]), str(wanted["import_path"])
        is_up = head.looks > self.deploying_looks
        failure = self.broken.get(path, "")
        status = "DEPLOY_FAILED" if failure else self.statuses.get(name, "RUNNING")
        deployments = wanted.get("deployments") or []
        assert isinstance(deployments, list)
        return {
            "name": name,
            "route_prefix": wanted.get("route_prefix", "/"),
            "status": status if is_up or failure else "DEPLOYING",
            "message": failure,
            "last_deployed_time_s": 1.0,
            "deployed_app_config": dict(wanted),
            "deployments": {}
            if failure
            else {
                d["name"]: {
                    "name": d["name"],
                    "status": "HEALTHY" if is_up else "UPDATING",
                    "message": "",
                    "replicas": [],
                }
                for d in deployments
            },
        }


_INSTEAD: Mapping[Mode, Callable[[], web.Response]] = {
    Mode.BROKEN: lambda: web.Response(status=500, text="the GCS cannot be reached"),
    Mode.MISSING: lambda: web.Response(status=404, text="404: Not Found"),
    Mode.GARBAGE: lambda: web.Response(text="<html>a login page</html>"),
}


def _hung_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return web.Response()
