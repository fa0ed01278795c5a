"""One life of the process: connect, check, serve, lead, work, stop.

Everything happens in this event loop, but the Lease and the HTTP endpoints, which have a side
thread with a loop of its own.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta

from ray_operator.operator import metrics, scrapers
from ray_operator.operator.certificate import ServingCertificate
from ray_operator.operator.clock import Clock
from ray_operator.operator.election import Election
from ray_operator.operator.endpoints import Endpoints, Security
from ray_operator.operator.errors import KubeError
from ray_operator.operator.introduction import check_access, check_version
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.logs import Logger
from ray_operator.operator.manager import FINISH, Manager
from ray_operator.operator.settings import Settings
from ray_operator.operator.sidethread import SideThread

log = Logger(__name__)

DONE = 0
LOST_LEAD = 1
"""The peer's exit code; the kubelet starts a fresh process, which stands for election again."""

AT_ONCE = timedelta()
"""What a process that lost the lead may take to finish: its writes are held back anyway."""


COLLECT_EVERY = 50_000
"""Allocations between two collections of the youngest generation: views hold no cycles, so there
is next to nothing to find, and the default of 700 costs 3 % of the CPU."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What the process is for.

    `check` looks at the cluster at the start, and warns; `wire` declares informers and controllers.
    """

    check: Callable[[Kube], Awaitable[None]]
    wire: Callable[[Manager], None]


async def live(settings: Settings, clock: Clock, purpose: Purpose, stop: asyncio.Event) -> int:
    """Run the operator until `stop` is set or the lead is lost; return the exit code.

    Raises:
        SettingsError: there is no configuration for the API server, or a port is taken.
        KubeError: the API server can't be reached, or refuses us.
    """
    options = KubeOptions(settings.kubeconfig, settings.in_cluster, settings.qps, settings.burst)
    kube = await Kube.connect(options, clock)
    try:
        await _introduce(kube)
        await purpose.check(kube)
        manager = Manager(kube, settings, clock, when_filled=_calm_the_collector)
        purpose.wire(manager)
        async with SideThread("lease and probes") as side:
            return await _serve(settings, manager, side, stop)
    finally:
        await kube.close()


async def _introduce(kube: Kube) -> None:
    """Say who asks whom, or fail with a clear word."""
    user = await check_access(kube)
    try:
        version = await check_version(kube)
    except KubeError as error:  # some providers keep it to themselves
        version = f"unknown ({error})"
    log.info("connected to the API server", user=user, version=version)


async def _serve(
    settings: Settings, manager: Manager, side: SideThread, stop: asyncio.Event
) -> int:
    endpoints = Endpoints(
        manager.health,
        settings.probe_addr,
        settings.metrics_addr,
        _security(settings, manager.parts.clock),
    )
    beat = asyncio.create_task(manager.health.beat(), name="heartbeat")
    try:
        await side.run(endpoints.start())
        if settings.enable_leader_election:
            return await _lead(settings, manager, side, stop)
        metrics.LEADER.set(1)  # nobody else does: whoever looks for a leader finds this one
        return await _work(manager, stop, lost=asyncio.get_running_loop().create_future())
    finally:
        beat.cancel()
        await side.run(endpoints.stop())


def _security(settings: Settings, clock: Clock) -> Security | None:
    """Return how metrics are secured, if they are to be.

    Raises:
        SettingsError: the certificate can't be used.
    """
    folder = settings.metrics_cert_path
    if not settings.metrics_secure or folder is None:
        return None
    options = KubeOptions(settings.kubeconfig, settings.in_cluster, scrapers.QPS, scrapers.BURST)
    return Security(
        ServingCertificate(
            folder / settings.metrics_cert_name, folder / settings.metrics_cert_key, clock
        ),
        scrapers.Scrapers(options, clock),
    )


async def _lead(settings: Settings, manager: Manager, side: SideThread, stop: asyncio.Event) -> int:
    options = KubeOptions(settings.kubeconfig, settings.in_cluster)
    namespace, me = settings.leader_election_namespace, settings.identity
    async with Election(side, options, namespace, me, manager.parts.clock) as election:
        manager.parts.kube.fence.ask(election.leadership.is_held)
        lost = await _unless(stop, election.acquire())
        if lost is None:
            return DONE
        manager.previous_renewal = election.previous_renewal
        return await _work(manager, stop, lost)


async def _work(manager: Manager, stop: asyncio.Event, lost: "asyncio.Future[None]") -> int:
    """Work until told to stop, or until the lead is lost.

    Raises:
        Exception: a worker died of a bug.
    """
    work = asyncio.create_task(manager.run(), name="manager")
    stopped = asyncio.create_task(_set(stop), name="stop")
    try:
        ends: set[asyncio.Future[None]] = {work, stopped, lost}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        log.info("stops", reason="told to" if stop.is_set() else "lost the lead or failed")
        if work.done():
            await work
    finally:
        stopped.cancel()
        work.cancel()
        await manager.stop(finish=AT_ONCE if lost.done() else FINISH)
    return LOST_LEAD if lost.done() else DONE


async def _unless(
    stop: asyncio.Event, work: "Coroutine[None, None, asyncio.Future[None]]"
) -> "asyncio.Future[None] | None":
    """Wait for `work`, but no longer than until `stop` is set; then return `None`."""
    working = asyncio.create_task(work)
    stopped = asyncio.create_task(_set(stop), name="stop")
    try:
        ends: set[asyncio.Task[None] | asyncio.Task[asyncio.Future[None]]] = {working, stopped}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else None
    finally:
        stopped.cancel()
        working.cancel()


async def _set(event: asyncio.Event) -> None:
    await event.wait()


def _calm_the_collector() -> None:
    """Keep what will live for ever (modules, the first caches) out of the garbage collector."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 50)
