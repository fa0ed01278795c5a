"""What the operator goes through. Each function is one scenario and returns one `Result`.

Each ends when all is quiet again, so that the next may begin at once.
"""

import asyncio
import time

from hack.bench import manifests
from hack.bench.audit import Call
from hack.bench.baseline import (
    SMALL_CLUSTERS,
    SMALL_WORKERS,
    START_SECONDS,
    WARM_CLUSTERS,
    WORKERS,
    small_figures,
)
from hack.bench.floor import CLUSTERS_PATH
from hack.bench.measurement import Meter, Result, counted
from hack.bench.scene import FRESH, MANY, PATIENCE_SECONDS, SMALL, WARM, Scene
from hack.bench.subject import Subject
from hack.bench.tracker import Seen
from ray_operator.operator.documents import get_text

IDLE_SECONDS = 5.0
CHURNED = 100
"""Clusters that lose a pod."""
FILLED = b"the caches are filled"
"""What the operator logs once it has begun to work."""


async def idle(scene: Scene, subject: Subject) -> Result:
    """The operator with nothing to do, freshly started."""
    await until_filled(subject, times=1)
    meter = Meter(scene.plane, subject.running)
    await asyncio.sleep(IDLE_SECONDS)
    figures = {"resident_mb": subject.running.resident_mb}
    cost = meter.cost()
    return Result(
        "idle", 0, cost.seconds, cost, calls=counted(scene.plane.audit.read()), figures=figures
    )


async def warm_up(scene: Scene) -> None:
    """Some clusters that don't count."""
    clusters, wanted = scene.clusters[WARM], scene.clusters[WARM].ready + WARM_CLUSTERS
    for number in range(WARM_CLUSTERS):
        await scene.create(f"warm-{number}", WORKERS, WARM)
    await clusters.until(lambda: clusters.ready >= wanted, START_SECONDS, "warm-up")
    await scene.settle()


async def burst(scene: Scene, subject: Subject, count: int, scenario: str) -> Result:
    """`count` RayClusters at once, until all say that they are ready."""
    clusters, pods = scene.clusters[MANY], scene.pods[MANY]
    names = [f"{scenario}-{number:04}" for number in range(count)]
    wanted, wanted_pods = clusters.ready + count, pods.ready + count * (1 + WORKERS)
    meter = Meter(scene.plane, subject.running)
    await asyncio.gather(*(scene.create(name, WORKERS) for name in names))
    end_pods, end = await asyncio.gather(
        pods.until(lambda: pods.ready >= wanted_pods, PATIENCE_SECONDS, "all pods ready"),
        clusters.until(lambda: clusters.ready >= wanted, PATIENCE_SECONDS, "all clusters ready"),
    )
    calls = counted(await scene.settle(meter))
    return Result(
        scenario,
        count,
        end - meter.began,
        meter.cost(),
        latencies=scene.latencies(names, clusters),
        calls=calls,
        figures={
            "pods_ready_seconds": end_pods - meter.began,
            "resident_mb": subject.running.resident_mb,
        },
    )


async def scale(scene: Scene, subject: Subject, workers: int) -> Result:
    """One cluster from one worker to `workers`, and small clusters made meanwhile."""
    pods, clusters = scene.pods[MANY], scene.clusters[MANY]
    before, ready = pods.ready, clusters.ready
    await scene.create("big", 1)
    await pods.until(lambda: pods.ready >= before + 2, START_SECONDS, "the big cluster's start")
    await clusters.until(lambda: clusters.ready > ready, START_SECONDS, "the big cluster ready")
    alone = [await _small(scene, f"alone-{n}") for n in range(SMALL_CLUSTERS)]
    await scene.settle()
    wanted = before + 1 + workers
    meter = Meter(scene.plane, subject.running)
    change = {"spec": manifests.a_cluster("big", workers)["spec"]}
    await scene.user.patch(f"{CLUSTERS_PATH.format(MANY)}/big", change)
    async with asyncio.TaskGroup() as group:
        done = group.create_task(
            pods.until(lambda: pods.ready >= wanted, PATIENCE_SECONDS, "all workers ready")
        )
        meanwhile = [await _small(scene, f"meanwhile-{n}") for n in range(SMALL_CLUSTERS)]
    calls = counted(await scene.settle(meter))
    return Result(
        "scale",
        workers,
        done.result() - meter.began,
        meter.cost(),
        calls=calls,
        figures=small_figures(alone, meanwhile),
    )


async def churn(scene: Scene, subject: Subject) -> Result:
    """A worker of each of up to 100 clusters is deleted, until all are replaced and ready."""
    pods = scene.pods[MANY]
    victims: dict[str, str] = {}
    for name, pod in pods.objects.items():
        cluster = get_text(pod.labels, "ray.io/cluster")
        if get_text(pod.labels, "ray.io/node-type") == "worker" and cluster != "big":
            victims.setdefault(cluster, name)
    victims = dict(sorted(victims.items())[:CHURNED])
    wanted, replaced = pods.ready, dict[str, float]()

    def on_ready(_name: str, pod: Seen) -> None:
        if pod.ready_at is not None:
            replaced.setdefault(get_text(pod.labels, "ray.io/cluster"), pod.ready_at)

    meter, deleted = Meter(scene.plane, subject.running), dict[str, float]()
    pods.on_ready = on_ready

    async def delete(cluster: str, name: str) -> None:
        deleted[cluster] = time.monotonic()
        await scene.user.delete(f"/api/v1/namespaces/{MANY}/pods/{name}")

    await asyncio.gather(*(delete(*each) for each in victims.items()))
    end = await pods.until(
        lambda: replaced.keys() >= victims.keys() and pods.ready >= wanted,
        PATIENCE_SECONDS,
        "all replaced",
    )
    pods.on_ready = None
    calls = counted(await scene.settle(meter))
    latencies = [replaced[cluster] - at for cluster, at in deleted.items()]
    return Result("churn", len(victims), end - meter.began, meter.cost(), latencies, calls)


async def rest(scene: Scene, subject: Subject, seconds: float) -> Result:
    """Nothing happens, for `seconds`."""
    meter = Meter(scene.plane, subject.running)
    await asyncio.sleep(seconds)
    subject.running.check()
    cost = meter.cost()
    calls = counted(scene.plane.audit.read())
    figures = {
        "cpu_percent": 100 * cost.operator_cpu / cost.seconds,
        "resident_mb": subject.running.resident_mb,
    }
    count = len(scene.clusters[MANY].objects)
    return Result("rest", count, cost.seconds, cost, calls=calls, figures=figures)


async def restart(scene: Scene, subject: Subject, *, graceful: bool) -> Result:
    """The operator ends and comes back, until its caches are filled and a new cluster is ready.

    Graceful: another pod follows one that was stopped. Else: the container is killed, and the same
    pod starts it again.
    """
    name = "after-stop" if graceful else "after-kill"
    began = time.monotonic()
    if graceful:
        await asyncio.to_thread(subject.end)
        subject.pod = "ray-operator-1"
    else:
        subject.kill()
    ended = time.monotonic()
    times = subject.log.read_bytes().count(FILLED) + 1
    subject.start()
    meter = Meter(scene.plane, subject.running)
    fresh, wanted = scene.clusters[FRESH], scene.clusters[FRESH].ready + 1
    await scene.create(name, SMALL_WORKERS, FRESH)
    filled, ready = await asyncio.gather(
        until_filled(subject, times),
        fresh.until(lambda: fresh.ready >= wanted, START_SECONDS, "a new cluster ready"),
    )
    calls = await scene.settle(meter)
    cost = meter.cost()
    return Result(
        f"restart-{'stop' if graceful else 'kill'}",
        len(scene.clusters[MANY].objects),
        ready - ended,
        cost,
        calls=counted([call for call in calls if not _is_of_new_cluster(call)]),
        figures={
            "ending_seconds": ended - began,
            "filled_seconds": filled - ended,
            "resident_mb": subject.running.resident_mb,
        },
    )


def _is_of_new_cluster(call: Call) -> bool:
    return call.namespace == FRESH


async def delete(scene: Scene, subject: Subject) -> Result:
    """All clusters are deleted, until nothing of them is left."""
    clusters, pods, services = scene.clusters[MANY], scene.pods[MANY], scene.services
    names = list(clusters.objects)
    meter = Meter(scene.plane, subject.running)
    path = CLUSTERS_PATH.format(MANY)
    await asyncio.gather(*(scene.user.delete(f"{path}/{name}") for name in names))
    end = max(
        await asyncio.gather(
            clusters.until(lambda: not clusters.objects, PATIENCE_SECONDS, "RayClusters gone"),
            pods.until(lambda: not pods.objects, PATIENCE_SECONDS, "pods gone"),
            services.until(lambda: not services.objects, PATIENCE_SECONDS, "services gone"),
        )
    )
    calls = counted(await scene.settle(meter))
    return Result("delete", len(names), end - meter.began, meter.cost(), calls=calls)


async def until_filled(subject: Subject, times: int) -> float:
    """Wait until the operator has said for the n-th time that its caches are filled."""
    async with asyncio.timeout(START_SECONDS):
        while subject.log.read_bytes().count(FILLED) < times:
            subject.running.check()
            await asyncio.sleep(0.02)
    return time.monotonic()


async def _small(scene: Scene, name: str) -> float:
    clusters, wanted = scene.clusters[SMALL], scene.clusters[SMALL].ready + 1
    await scene.create(name, SMALL_WORKERS, SMALL)
    await clusters.until(lambda: clusters.ready >= wanted, START_SECONDS, f"{name} ready")
    (seconds,) = scene.latencies([name], clusters)
    return seconds
