"""The HTTP servers of the process: /healthz and /readyz on one port, /metrics on another.

They run in the side thread: a probe is answered while the event loop is busy.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from ray_operator.operator import metrics
from ray_operator.operator.errors import SettingsError
from ray_operator.operator.health import Health
from ray_operator.operator.logs import Logger

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


class Endpoints:
    """Serves until stopped. Made and used in the side thread's event loop."""

    def __init__(self, health: Health, probe_address: str, metrics_address: str) -> None:
        probes: dict[str, Handler] = {
            "/healthz": _probe(health.ailments),
            "/readyz": _probe(health.obstacles),
        }
        series: dict[str, Handler] = {"/metrics": _serve_metrics}
        self._wanted = ((probe_address, probes), (metrics_address, series))
        self._runners: list[web.AppRunner] = []
        self.addresses: list[tuple[str, int]] = []
        """Host and port that were bound, in the order probes, metrics."""

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            SettingsError: an address can't be bound.
        """
        for address, handlers in self._wanted:
            if address != OFF:
                await self._serve(address, handlers)

    async def stop(self) -> None:
        """Stop serving."""
        for runner in self._runners:
            await runner.cleanup()

    async def _serve(self, address: str, handlers: dict[str, Handler]) -> None:
        host, port = parse_address(address)
        application = web.Application()
        application.add_routes([web.get(path, handler) for path, handler in handlers.items()])
        runner = web.AppRunner(application, access_log=None, handle_signals=False)
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, host, port, shutdown_timeout=1).start()
        except OSError as error:
            raise SettingsError(f"can't listen on {address}: {error}") from error
        self.addresses.append(runner.addresses[0][:2])
        log.info("listens", address=address, paths=sorted(handlers))


def _probe(problems: Callable[[], tuple[str, ...]]) -> Handler:
    async def answer(_request: web.Request) -> web.Response:
        found = problems()
        return web.Response(text="\n".join(found) or "ok", status=500 if found else 200)

    return answer


async def _serve_metrics(_request: web.Request) -> web.Response:
    return web.Response(
        body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )
