"""The operator in the test's own process, against a real API server: `a_running_operator`."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from ray_operator.controllers.build_options import build_options
from ray_operator.controllers.caches import Caches, build_caches
from ray_operator.controllers.dashboard.address import Endpoint
from ray_operator.controllers.dashboard.errors import DashboardError, Trouble
from ray_operator.controllers.dashboard.transport import Answer, Direct, Request, base_url
from ray_operator.controllers.raycluster import wiring as raycluster_wiring
from ray_operator.controllers.rayservice import wiring as rayservice_wiring
from ray_operator.operator import metrics
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.kube import REQUEST_TIMEOUT, Kube, KubeOptions
from ray_operator.operator.manager import Manager
from ray_operator.operator.reflector import IDLE
from ray_operator.operator.settings import Settings

WRITING = frozenset({"create", "patch", "update", "delete", "deletecollection"})
GRACE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the operator waits for the API server."""

    idle: timedelta = IDLE
    timeout: timedelta = REQUEST_TIMEOUT


@dataclass(slots=True)
class RunningOperator:
    """An operator at work on one namespace."""

    manager: Manager
    caches: Caches
    grace: timedelta = GRACE
    is_dead: bool = False

    def stop_at_once(self) -> None:
        """Let the end of the `with` finish nothing that is in work."""
        self.grace = timedelta()

    def die(self) -> None:
        """Reach no Ray any more, and finish nothing: SIGKILL, once the API server is severed."""
        self.is_dead = True
        self.stop_at_once()


@dataclass(slots=True)
class _Mortal:
    """Sends to Rays, for as long as the operator lives."""

    direct: Direct
    operator: RunningOperator | None = field(default=None)

    async def send(self, endpoint: Endpoint, request: Request) -> Answer:
        if self.operator is not None and self.operator.is_dead:
            raise DashboardError(Trouble.REFUSED, "the operator is dead")
        return await self.direct.send(endpoint, request)

    async def close(self) -> None:
        await self.direct.close()


@contextlib.asynccontextmanager
async def a_running_operator(
    kubeconfig: Path,
    namespace: str,
    settings: Settings | None = None,
    *,
    locate: Callable[[Endpoint], str] = base_url,
    patience: Patience | None = None,
) -> AsyncIterator[RunningOperator]:
    """Run both controllers for `namespace`; stop them gracefully at the end.

    `locate` says where the Rays of pods are: a test's fakes.
    """
    settings = replace(
        settings or Settings(),
        kubeconfig=kubeconfig,
        watch_namespaces=(namespace,),
        enable_leader_election=False,
    )
    patience = patience or Patience()
    clock = SystemClock()
    kube = await Kube.connect(KubeOptions(kubeconfig, timeout=patience.timeout), clock)
    manager = Manager(kube, settings, clock, idle=patience.idle)
    caches = build_caches(manager.watch)
    transport = _Mortal(Direct(locate))
    operator = transport.operator = RunningOperator(manager, caches)
    clusters, services = manager.queue("raycluster"), manager.queue("rayservice")
    manager.control(raycluster_wiring.wire(manager.parts, caches, clusters), clusters)
    options = build_options(settings)
    manager.control(
        rayservice_wiring.wire(manager.parts, caches, services, options, transport), services
    )
    work = asyncio.create_task(manager.run(), name="operator")
    try:
        yield operator
    finally:
        if operator.is_dead:
            await transport.close()
        await manager.stop(finish=operator.grace)
        work.cancel()
        await asyncio.wait({work})
        await transport.close()
        await kube.close()


QUIET = timedelta(seconds=12)
"""Longer than what a controller may put off: 8 s for a cluster's progress."""

PATIENCE_SECONDS = 180


def writes() -> Mapping[str, int]:
    """How often each kind of write was sent in this process: `{"create pods": 6, …}`.

    The test's kubelet doesn't count; Leases and namespaces are left out.
    """
    found: dict[str, int] = {}
    for family in metrics.API_REQUESTS.collect():
        for sample in family.samples:
            verb, resource = sample.labels.get("verb"), sample.labels.get("resource", "")
            if not sample.name.endswith("_total") or verb not in WRITING:
                continue
            if resource.startswith(("leases", "namespaces", "proxy", "selfsubjectreviews")):
                continue
            found[f"{verb} {resource}"] = found.get(f"{verb} {resource}", 0) + int(sample.value)
    return found


async def until_quiet(quiet: timedelta = QUIET) -> Mapping[str, int]:
    """Wait until nothing was written for `quiet`; return the counts.

    Raises:
        TimeoutError: somebody goes on writing.
    """
    counts, since = writes(), time.monotonic()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while time.monotonic() - since < quiet.total_seconds():
            await asyncio.sleep(0.2)
            if difference(counts, writes()):
                counts, since = writes(), time.monotonic()
    return counts


def difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What was written between two counts."""
    return {key: n - before.get(key, 0) for key, n in after.items() if n != before.get(key, 0)}
