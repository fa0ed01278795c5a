"""The operator in the test's own process, against a real API server: `a_running_operator`."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from ray_operator.controllers.caches import Caches, build_caches
from ray_operator.controllers.raycluster.wiring import wire
from ray_operator.operator import metrics
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.manager import Manager
from ray_operator.operator.settings import Settings

WRITING = frozenset({"create", "patch", "update", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class RunningOperator:
    """An operator at work on one namespace."""

    manager: Manager
    caches: Caches


@contextlib.asynccontextmanager
async def a_running_operator(
    kubeconfig: Path,
    namespace: str,
    settings: Settings | None = None,
) -> AsyncIterator[RunningOperator]:
    """Run the RayCluster controller for `namespace`; stop it gracefully at the end."""
    settings = replace(
        settings or Settings(),
        kubeconfig=kubeconfig,
        watch_namespaces=(namespace,),
        enable_leader_election=False,
    )
    clock = SystemClock()
    kube = await Kube.connect(KubeOptions(kubeconfig=kubeconfig), clock)
    manager = Manager(kube, settings, clock)
    caches = build_caches(manager.watch)
    queue = manager.queue("raycluster")
    manager.control(wire(manager.parts, caches, queue), queue)
    work = asyncio.create_task(manager.run(), name="operator")
    try:
        yield RunningOperator(manager, caches)
    finally:
        await manager.stop(finish=timedelta(seconds=5))
        work.cancel()
        await asyncio.wait({work})
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
            if resource.startswith(("leases", "namespaces", "selfsubjectreviews")):
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
