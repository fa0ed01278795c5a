"""A cache that is behind, or shows what never ends, makes nobody do too much or too little.

The test is the watch: it decides which of the pods that were made the cache shows.
"""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from ray_operator.operator.controller import Result
from ray_operator.operator.documents import JsonObject, JsonValue, get_object, get_text
from ray_operator.operator.expectations import EXPIRY
from ray_operator.operator.keys import Key
from ray_operator.operator.resources import PODS
from support.builders import a_cluster, a_group, stored
from support.desk import Desk, a_desk

KEY = Key("ns1", "demo")


class Cluster:
    """One RayCluster on a desk, with the pods that were made for it."""

    def __init__(self, replicas: int) -> None:
        self.desk: Desk = a_desk()
        self._generation = 0
        self._version = 100
        self.scale(replicas)

    def scale(self, replicas: int) -> None:
        """Edit the spec; the cache shows that at once."""
        self._generation += 1
        document = stored(
            a_cluster(groups=[a_group(replicas=replicas)]), generation=self._generation
        )
        self.desk.caches.rayclusters.put(self._fresh(document), listed=False)

    async def turn(self) -> Result:
        return await self.desk.rayclusters.reconcile(KEY)

    @property
    def created(self) -> list[str]:
        """The names of all pods that were asked for."""
        return [_name(m) for resource, m in self.desk.kube.creations if resource == PODS]

    @property
    def workers(self) -> list[str]:
        return [name for name in self.created if "head" not in name]

    @property
    def deleted(self) -> list[str]:
        return [key.name for resource, key in self.desk.kube.deletions if resource == PODS]

    def show(self, names: Iterable[str], *, terminating: bool = False) -> None:
        """Let the watch tell of pods."""
        manifests = {_name(m): m for r, m in self.desk.kube.creations if r == PODS}
        for name in names:
            document = dict(manifests[name])
            ending: JsonObject = (
                {"deletionTimestamp": "2026-01-01T00:00:00Z"} if terminating else {}
            )
            document["metadata"] = {
                **get_object(document, "metadata"),
                "uid": f"uid-of-{name}",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                **ending,
            }
            document["status"] = {"phase": "Running"}
            self.desk.caches.pods.put(self._fresh(document), listed=False)

    def _fresh(self, document: JsonObject) -> JsonObject:
        self._version += 1
        metadata: dict[str, JsonValue] = {
            **get_object(document, "metadata"),
            "resourceVersion": str(self._version),
        }
        return {**document, "metadata": metadata}


def _name(manifest: JsonObject) -> str:
    return get_text(get_object(manifest, "metadata"), "name")


async def a_settled_cluster(replicas: int) -> Cluster:
    cluster = Cluster(replicas)
    await cluster.turn()
    cluster.show(cluster.created)
    await cluster.turn()
    assert len(cluster.workers) == replicas
    return cluster


async def test_a_cache_that_shows_nothing_yet_doubles_no_pod() -> None:
    cluster = Cluster(replicas=5)
    for _ in range(3):
        await cluster.turn()

    assert len(cluster.created) == 1 + 5


async def test_a_cache_that_shows_some_doubles_none_of_the_others() -> None:
    cluster = Cluster(replicas=5)
    await cluster.turn()
    cluster.show(cluster.workers[:2])
    await cluster.turn()
    cluster.show(cluster.workers[2:])
    await cluster.turn()

    assert len(cluster.created) == 1 + 5
    assert len(set(cluster.created)) == 1 + 5


async def test_an_event_that_never_comes_delays_by_half_a_minute_at_most() -> None:
    """And the names are the same again: the API server says so, and nobody gets two pods."""
    cluster = Cluster(replicas=3)
    await cluster.turn()
    first = cluster.created
    result = await cluster.turn()
    assert result.check_again is not None
    assert timedelta() < result.check_again <= EXPIRY

    cluster.desk.clock.advance(EXPIRY)
    await cluster.turn()

    assert cluster.created == first + first


async def test_a_lane_that_waits_holds_up_no_growth_beyond_its_patience() -> None:
    cluster = await a_settled_cluster(replicas=2)
    cluster.scale(3)
    await cluster.turn()
    cluster.scale(5)
    result = await cluster.turn()
    assert len(cluster.workers) == 3, "the third has not been seen yet"

    assert result.check_again is not None
    cluster.desk.clock.advance(result.check_again)
    await cluster.turn()
    assert len(set(cluster.workers)) == 5


async def test_a_cache_that_shows_the_dead_deletes_nobody_twice_and_nobody_else() -> None:
    cluster = await a_settled_cluster(replicas=5)
    cluster.scale(2)
    for _ in range(3):
        await cluster.turn()

    assert len(cluster.deleted) == len(set(cluster.deleted)) == 3


@pytest.mark.parametrize("replicas", [3, 4, 8])
async def test_a_pod_that_never_stops_terminating_blocks_no_growth(replicas: int) -> None:
    """Its node is gone, say: it counts as deleted, whoever deleted it."""
    cluster = await a_settled_cluster(replicas=3)
    stuck = cluster.workers[0]
    cluster.show([stuck], terminating=True)
    cluster.scale(replicas)
    await cluster.turn()

    assert len(cluster.workers) == replicas + 1
    assert len(set(cluster.created)) == len(cluster.created)

    cluster.show(cluster.workers[1:])
    cluster.scale(replicas + 2)
    await cluster.turn()
    assert len(cluster.workers) == replicas + 3


async def test_a_pod_that_we_delete_and_that_never_goes_blocks_no_growth() -> None:
    cluster = await a_settled_cluster(replicas=3)
    cluster.scale(2)
    await cluster.turn()
    cluster.show(cluster.deleted, terminating=True)
    cluster.scale(4)
    await cluster.turn()

    assert len(cluster.workers) == 3 + 2
    assert cluster.deleted == cluster.deleted[:1]
