"""The floor: the objects of a cluster, made by a bare writer that decides and watches nothing.

No operator can be faster against the same control plane: the bodies are ready-made, all calls of a
cluster go out at once, and nobody waits for a cache.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from hack.bench import manifests
from hack.bench.api import Api
from hack.bench.recording import Creation
from ray_operator.operator.documents import get_object, get_text

CONNECTIONS = 64
"""As many as the operator has."""

CLUSTERS_PATH = "/apis/ray.io/v1/namespaces/{}/rayclusters"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the operator created for one cluster; the names in it occur nowhere else in the text."""

    namespace: str
    name: str
    uid: str
    workers: int
    creations: Sequence[Creation]

    def of_cluster(self, namespace: str, name: str, uid: str) -> list[Creation]:
        """The same for another cluster."""
        return [self._renamed(each, namespace, name, uid) for each in self.creations]

    def of_workers(self, namespace: str, name: str, uid: str, count: int) -> list[Creation]:
        """`count` more workers for a cluster."""
        model = next(each for each in self.creations if each.node_type == "worker")
        renamed = self._renamed(model, namespace, name, uid)
        old = renamed.name.encode()
        return [
            Creation(renamed.path, renamed.body.replace(old, f"{name}-more-{n:04}".encode()))
            for n in range(count)
        ]

    def smaller(self, workers: int) -> "Recorded":
        """The same with the first `workers` workers only."""
        found = [each for each in self.creations if each.node_type == "worker"]
        dropped = {each.body for each in found[workers:]}
        kept = tuple(each for each in self.creations if each.body not in dropped)
        return Recorded(self.namespace, self.name, self.uid, workers, kept)

    def _renamed(self, creation: Creation, namespace: str, name: str, uid: str) -> Creation:
        changes = {self.namespace: namespace, self.name: name, self.uid: uid}
        pattern = re.compile("|".join(map(re.escape, changes)).encode())

        def other(match: "re.Match[bytes]") -> bytes:
            return changes[match[0].decode()].encode()

        path = creation.path.replace(f"/{self.namespace}/", f"/{namespace}/")
        return Creation(path, pattern.sub(other, creation.body))


async def make_cluster(api: Api, recorded: Recorded, namespace: str, name: str) -> str:
    """Create a RayCluster and all that the operator would make for it; return its UID."""
    made = await api.create(
        CLUSTERS_PATH.format(namespace),
        orjson.dumps(manifests.a_cluster(name, recorded.workers)),
    )
    uid = get_text(get_object(made, "metadata"), "uid")
    await make(api, recorded.of_cluster(namespace, name, uid))
    return uid


async def make(api: Api, creations: Sequence[Creation]) -> None:
    """Create all at once, as far as there are connections."""
    await asyncio.gather(*(api.create(each.path, each.body) for each in creations))
