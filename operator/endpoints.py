"""The HTTP servers of the process: /healthz and /readyz on one port, /metrics on another.

They run in the side thread: a probe is answered while the event loop is busy.  The metrics may be
secured: then they are served over TLS, to those whom the API server lets read them.  Probes are
always plain: the kubelet has no token.
"""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from ray_operator.operator import metrics
from ray_operator.operator.certificate import ServingCertificate
from ray_operator.operator.errors import SettingsError
from ray_operator.operator.health import Check, Health
from ray_operator.operator.logs import Logger
from ray_operator.operator.scrapers import Scrapers

log = Logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OFF = "0"
"""controller-runtime's way to say that an endpoint is not wanted."""


def parse_address(address: str) -> tuple[str | None, int]:
    """Split `host:port` or `:port`; `None` is every interface.

    Raises:
        SettingsError: it is neither.
    """
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal():
        raise SettingsError(f"{address!r} is no address: expected host:port or :port")
    return host.strip("[]") or None, int(port)


@dataclass(frozen=True, slots=True)
class Security:
    """How metrics are secured: the certificate to show, and who may read them."""

    certificate: ServingCertificate
    scrapers: Scrapers


@dataclass(frozen=True, slots=True)
class _Listener:
    address: str
    handlers: dict[str, Handler]
    tls: ssl.SSLContext | None = None


class Endpoints:
    """Serves until stopped. Made and used in the side thread's event loop.

    Args:
        health: what the probes tell.
        probe_address: host and port of /healthz and /readyz; "0" is none.
        metrics_address: host and port of /metrics; "0" is none.
        security: `None` serves the metrics over HTTP, to everybody.
    """

    def __init__(
        self,
        health: Health,
        probe_address: str,
        metrics_address: str,
        security: Security | None = None,
    ) -> None:
        probes: dict[str, Handler] = {
            "/healthz": _probe("healthz", health.liveness),
            "/readyz": _probe("readyz", health.readiness),
        }
        self._security = security
        self._wanted = (_Listener(probe_address, probes), _of_metrics(metrics_address, security))
        self._runners: list[web.AppRunner] = []
        self.addresses: list[tuple[str, int]] = []
        """Host and port that were bound, in the order probes, metrics."""

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            SettingsError: an address can't be bound.
        """
        if self._security is not None:
            await self._security.scrapers.open()
        for listener in self._wanted:
            if listener.address != OFF:
                await self._serve(listener)

    async def stop(self) -> None:
        """Stop serving."""
        for runner in self._runners:
            await runner.cleanup()
        if self._security is not None:
            await self._security.scrapers.close()

    async def _serve(self, listener: _Listener) -> None:
        address = listener.address
        host, port = parse_address(address)
        application = web.Application()
        routes = [web.get(path, handler) for path, handler in listener.handlers.items()]
        application.add_routes(routes)
        runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=1
        )
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, host, port, ssl_context=listener.tls).start()
        except OSError as error:
            raise SettingsError(f"can't listen on {address}: {error}") from error
        self.addresses.append(runner.addresses[0][:2])
        log.info("listens", address=address, paths=sorted(listener.handlers))


def _of_metrics(address: str, security: Security | None) -> _Listener:
    if security is None or address == OFF:
        return _Listener(address, {"/metrics": _serve_metrics})
    handlers = {"/metrics": _guarded(_serve_metrics, security.scrapers)}
    return _Listener(address, handlers, security.certificate.context())


def _probe(name: str, look: Callable[[], tuple[Check, ...]]) -> Handler:
    """Answer what is wrong, a line each; with `?verbose` what was looked at, as Kubernetes does."""

    async def answer(request: web.Request) -> web.Response:
        checks = look()
        problems = [problem for check in checks for problem in check.problems]
        text = _verbose(name, checks) if "verbose" in request.query else "\n".join(problems) or "ok"
        return web.Response(text=text, status=500 if problems else 200)

    return answer


def _verbose(name: str, checks: tuple[Check, ...]) -> str:
    lines = [
        f"[-]{check.name} failed: {'; '.join(check.problems)}"
        if check.problems
        else f"[+]{check.name} ok"
        for check in checks
    ]
    has_failed = any(check.problems for check in checks)
    return "\n".join((*lines, f"{name} check {'failed' if has_failed else 'passed'}", ""))


def _guarded(handler: Handler, scrapers: Scrapers) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        status = await scrapers.judge(request.headers.get("Authorization", ""))
        if status is not HTTPStatus.OK:
            return web.Response(text=f"{status.phrase}\n", status=status)
        return await handler(request)

    return answer


async def _serve_metrics(_request: web.Request) -> web.Response:
    return web.Response(
        body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )
