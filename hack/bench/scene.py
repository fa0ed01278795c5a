"""A control plane with what a scenario needs around it: clients, watches, the operator."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hack.bench import manifests
from hack.bench.api import Api, Refused
from hack.bench.audit import Call
from hack.bench.floor import CLUSTERS_PATH, CONNECTIONS
from hack.bench.measurement import Meter
from hack.bench.plane import Plane
from hack.bench.subject import Subject
from hack.bench.tracker import Tracker, cluster_is_ready, exists, following, pod_is_ready
from ray_operator.operator.documents import JsonObject

USER_CONNECTIONS = 16
"""With which RayClusters are created and deleted: a person's script, or a few of them."""

MANY, SMALL, FRESH, WARM = "bench", "small", "fresh", "warm-up-xq"
"""Namespaces: the clusters measured; small ones beside them; those made after a restart; those
that warm everything up (a text that occurs nowhere else in a manifest: see `Recorded`)."""

NAMESPACES = (MANY, SMALL, FRESH, WARM)

QUIET_SECONDS = 10.0
"""Longer than the 8 s for which the operator may put off a status."""
SETTLE_SECONDS = 180.0
ACCOUNT_SECONDS = 60.0
PATIENCE_SECONDS = 900.0


@dataclass(slots=True)
class Scene:
    """What scenarios work with."""

    plane: Plane
    user: Api
    floor: Api
    clusters: Mapping[str, Tracker]
    """RayClusters by namespace."""
    pods: Mapping[str, Tracker]
    services: Tracker
    """Of the namespace `bench`."""
    subject: Subject | None = None
    created_at: dict[str, float] = field(default_factory=dict)
    """When the creation of a cluster was sent, by name; names differ in all namespaces."""

    async def create(self, name: str, workers: int, namespace: str = MANY) -> None:
        """Create a RayCluster, as a user would."""
        self.created_at[name] = time.monotonic()
        await self.user.create(CLUSTERS_PATH.format(namespace), manifests.a_cluster(name, workers))

    def latencies(self, names: Iterable[str], tracker: Tracker) -> list[float]:
        """Seconds from created to ready, for RayClusters that are."""
        ready = ((name, tracker.objects[name].ready_at) for name in names)
        return [at - self.created_at[name] for name, at in ready if at is not None]

    async def settle(self, meter: Meter | None = None) -> list[Call]:
        """Wait until nothing is written; return the calls since the audit log was last read.

        `meter` is marked at the last write: what follows is only the wait for more.

        Raises:
            TimeoutError: somebody goes on writing.
        """
        found: list[Call] = []
        if meter is not None:
            meter.mark()
        end = time.monotonic() + SETTLE_SECONDS
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            await asyncio.sleep(0.5)
            self.plane.check()
            new = self.plane.audit.read()
            found += new
            if any(call.is_write or call.resource == "events" for call in new):
                quiet_since = time.monotonic()
                if meter is not None:
                    meter.mark()
            if time.monotonic() > end:
                raise TimeoutError(f"not quiet within {SETTLE_SECONDS:.0f} s")
        return found


@contextlib.asynccontextmanager
async def a_scene(plane: Plane) -> AsyncIterator[Scene]:
    """Prepare a plane: namespaces, clients, watches."""
    async with contextlib.AsyncExitStack() as stack:
        user = await stack.enter_async_context(Api(plane.user, USER_CONNECTIONS))
        floor = await stack.enter_async_context(Api(plane.floor, CONNECTIONS))
        watcher = await stack.enter_async_context(Api(plane.user, connections=0))
        await asyncio.gather(*(_make_namespace(user, name) for name in NAMESPACES))

        async def follow(path: str, is_ready: Callable[[JsonObject], bool]) -> Tracker:
            return await stack.enter_async_context(following(watcher, path, is_ready))

        pods = "/api/v1/namespaces/{}/pods"
        yield Scene(
            plane=plane,
            user=user,
            floor=floor,
            clusters={
                name: await follow(CLUSTERS_PATH.format(name), cluster_is_ready)
                for name in NAMESPACES
            },
            pods={name: await follow(pods.format(name), pod_is_ready) for name in NAMESPACES},
            services=await follow(f"/api/v1/namespaces/{MANY}/services", exists),
        )


async def _make_namespace(user: Api, name: str) -> None:
    """Make it, and wait for its account: without it, pods are refused."""
    await user.create("/api/v1/namespaces", manifests.a_namespace(name))
    async with asyncio.timeout(ACCOUNT_SECONDS):
        while True:
            try:
                await user.get(f"/api/v1/namespaces/{name}/serviceaccounts/default")
            except Refused:
                await asyncio.sleep(0.1)
            else:
                return
