"""The floor's scenarios, and what it needs first: the operator's own requests for one cluster."""

import asyncio
import time

from hack.bench.api import Api
from hack.bench.floor import Recorded, make, make_cluster
from hack.bench.measurement import Meter, Result, counted, percentile
from hack.bench.recording import a_recorder
from hack.bench.scene import MANY, PATIENCE_SECONDS, SMALL, USER_CONNECTIONS, WARM, Scene
from hack.bench.subject import a_subject
from ray_operator.operator.documents import get_object, get_text

RECORDED_NAME = "recorded-name-xq"
"""Nothing else in a manifest has this text in it."""
WORKERS = 5
SMALL_WORKERS = 1
WARM_CLUSTERS = 5
SMALL_CLUSTERS = 3
SMALL_CONNECTIONS = 4
CLUSTERS_AT_ONCE = USER_CONNECTIONS
"""RayClusters under way: their creation is the user's part, at the user's speed."""
START_SECONDS = 120.0


async def record(scene: Scene) -> Recorded:
    """Let the operator make one cluster, and keep what it sent."""
    async with a_recorder(scene.plane.operator) as (recorder, access):
        with a_subject(scene.plane, access) as subject:
            await scene.create(RECORDED_NAME, WORKERS, WARM)
            clusters, pods = scene.clusters[WARM], scene.pods[WARM]
            await clusters.until(lambda: clusters.ready == 1, START_SECONDS, "one cluster ready")
            await pods.until(lambda: pods.ready == 1 + WORKERS, START_SECONDS, "its pods ready")
            subject.running.check()
        path = f"/apis/ray.io/v1/namespaces/{WARM}/rayclusters/{RECORDED_NAME}"
        made = await scene.user.get(path)
    uid = get_text(get_object(made, "metadata"), "uid")
    found = tuple(each for each in recorder.creations if f"/{WARM}/" in each.path)
    return Recorded(WARM, RECORDED_NAME, uid, WORKERS, found)


async def warm_up(scene: Scene, recorded: Recorded) -> None:
    """Make some clusters that don't count, so that no first call does."""
    pods = scene.pods[WARM]
    wanted = pods.ready + WARM_CLUSTERS * (1 + WORKERS)
    for number in range(WARM_CLUSTERS):
        await make_cluster(scene.floor, recorded, WARM, f"warm-{number}")
    await pods.until(lambda: pods.ready >= wanted, START_SECONDS, "warm-up")


async def burst(scene: Scene, recorded: Recorded, count: int, scenario: str) -> Result:
    """The objects of `count` clusters at once, until all pods are ready."""
    pods = scene.pods[MANY]
    wanted = pods.ready + count * (1 + WORKERS)
    meter = Meter(scene.plane, None)
    gate = asyncio.Semaphore(CLUSTERS_AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            await make_cluster(scene.floor, recorded, MANY, f"floor-{number:04}")

    await asyncio.gather(*(one(number) for number in range(count)))
    await pods.until(lambda: pods.ready >= wanted, PATIENCE_SECONDS, "the floor's pods ready")
    cost = meter.cost()
    calls = counted(scene.plane.audit.read())
    return Result(scenario, count, cost.seconds, cost, calls=calls)


async def scale(scene: Scene, recorded: Recorded, workers: int) -> Result:
    """One cluster of one worker gets `workers`, and small clusters are made meanwhile."""
    few = recorded.smaller(SMALL_WORKERS)
    pods = scene.pods[MANY]
    before = pods.ready
    uid = await make_cluster(scene.floor, few, MANY, "floor-big")
    await pods.until(lambda: pods.ready >= before + 2, START_SECONDS, "the big cluster's start")
    # With connections of their own: else they would queue in this process, behind the 500.
    async with Api(scene.plane.floor, SMALL_CONNECTIONS) as api:
        alone = [await _small(scene, api, few, f"floor-alone-{n}") for n in range(SMALL_CLUSTERS)]
        wanted = before + 1 + workers
        meter = Meter(scene.plane, None)
        async with asyncio.TaskGroup() as group:
            creations = recorded.of_workers(MANY, "floor-big", uid, workers - 1)
            group.create_task(make(scene.floor, creations))
            done = group.create_task(
                pods.until(lambda: pods.ready >= wanted, PATIENCE_SECONDS, "all workers ready")
            )
            meanwhile = [
                await _small(scene, api, few, f"floor-meanwhile-{n}") for n in range(SMALL_CLUSTERS)
            ]
    return Result(
        "scale",
        workers,
        done.result() - meter.began,
        meter.cost(),
        calls=counted(scene.plane.audit.read()),
        figures=small_figures(alone, meanwhile),
    )


def small_figures(alone: list[float], meanwhile: list[float]) -> dict[str, float]:
    """How long a small cluster takes; of those made meanwhile, the worst."""
    return {
        "small_alone_seconds": percentile(alone, 50),
        "small_meanwhile_seconds": max(meanwhile),
    }


async def _small(scene: Scene, api: Api, recorded: Recorded, name: str) -> float:
    pods = scene.pods[SMALL]
    began, wanted = time.monotonic(), pods.ready + 1 + SMALL_WORKERS
    await make_cluster(api, recorded, SMALL, name)
    end = await pods.until(lambda: pods.ready >= wanted, START_SECONDS, "a small cluster")
    return end - began
