"""The program `ray-operator`: settings, logs, wiring, signals, exit code.

The only module of `operator/` that knows of Ray: it hands the machinery to the controllers.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence

from ray_operator.api.annotations import CRD_REVISION
from ray_operator.api.kinds import CURRENT_CRD_REVISION
from ray_operator.controllers.build_options import build_options
from ray_operator.controllers.caches import build_caches
from ray_operator.controllers.kinds import RAYCLUSTERS, RAYCRONJOBS, RAYJOBS, RAYSERVICES
from ray_operator.controllers.peer_metrics import PeerMetrics
from ray_operator.controllers.raycluster import wiring as raycluster
from ray_operator.controllers.rayservice import wiring as rayservice
from ray_operator.operator import logs, metrics, tracing
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.crds import check_crds
from ray_operator.operator.errors import KubeError, SettingsError
from ray_operator.operator.flags import own_version
from ray_operator.operator.kube import Kube
from ray_operator.operator.manager import Manager
from ray_operator.operator.process import Purpose, live
from ray_operator.operator.settings import Settings, read_settings

FAILED = 1
MISUSED = 2
"""argparse's own code for a wrong command line."""

log = logs.Logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator; return the exit code: 0 after a stop, 1 after a failure, 2 if misused."""
    try:
        settings = read_settings(sys.argv[1:] if arguments is None else arguments)
        logs.configure(settings.logs)
    except (SettingsError, OSError) as error:
        print(f"ray-operator: {error}", file=sys.stderr)
        return MISUSED
    tracing.configure(settings.otlp_endpoint, own_version())
    log.info("starts", version=own_version(), in_cluster=settings.in_cluster)
    try:
        code = asyncio.run(_run(settings))
    except (SettingsError, KubeError) as error:
        log.error("can't run", error=str(error))  # noqa: TRY400 - the message says it all
        code = FAILED
    finally:
        tracing.shut_down()
    log.info("ended", exit_code=code)
    return code


async def _run(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await live(settings, SystemClock(), Purpose(check, wire), stop)


async def check(kube: Kube) -> None:
    """Warn of CRDs that are missing or old."""
    kinds = (RAYCLUSTERS, RAYJOBS, RAYSERVICES, RAYCRONJOBS)
    await check_crds(kube, kinds, CRD_REVISION, CURRENT_CRD_REVISION)


def wire(manager: Manager) -> None:
    """Declare what this operator watches and does."""
    parts = manager.parts
    caches = build_caches(manager.watch)
    if parts.settings.enable_metrics:
        metrics.REGISTRY.register(PeerMetrics(caches))
    clusters = manager.queue("raycluster")
    manager.control(raycluster.wire(parts, caches, clusters), clusters)
    services = manager.queue("rayservice")
    options = build_options(parts.settings)
    manager.control(rayservice.wire(parts, caches, services, options), services)
