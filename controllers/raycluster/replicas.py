"""Replicas of a worker group: single pods, or those of several hosts that stand together."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ray_operator.api import labels
from ray_operator.controllers.manifests.cluster import WorkerGroup
from ray_operator.controllers.views.pod import PENDING, PodView


@dataclass(frozen=True, slots=True)
class Replica:
    """Pods that count as one."""

    pods: tuple[PodView, ...]

    @property
    def index(self) -> int | None:
        """The slot in the group; `None` if the pods carry none."""
        return self.pods[0].replica_index

    @property
    def rank(self) -> tuple[int, float]:
        """Sorts the replica that is missed least to the front (raycluster.md 6.4).

        The worst pod decides, then youth.
        """
        youngest = max(pod.created_at for pod in self.pods)
        return min(_standing(pod) for pod in self.pods), -youngest


def is_atomic(group: WorkerGroup, *, indexing: bool) -> bool:
    """Tell whether the hosts of a replica are made and deleted together."""
    return group.hosts > 1 and indexing


def wanted_replicas(group: WorkerGroup, *, indexing: bool) -> int:
    """Return how many replicas are to be; without indexing every pod is one."""
    return group.desired_replicas if is_atomic(group, indexing=indexing) else group.desired_pods


def replicas_of(
    group: WorkerGroup,
    pods: Iterable[PodView],
    *,
    indexing: bool,
) -> tuple[Replica, ...]:
    """Sort the pods of a group into replicas."""
    if not is_atomic(group, indexing=indexing):
        return tuple(Replica((pod,)) for pod in pods)
    named: dict[str, list[PodView]] = {}
    unnamed: list[PodView] = []
    for pod in pods:
        name = pod.labels.get(labels.REPLICA_NAME)
        (unnamed if name is None else named.setdefault(name, [])).append(pod)
    return (
        *(Replica(tuple(members)) for members in named.values()),
        *_adopted(unnamed, group.hosts),
    )


def free_indexes(replicas: Iterable[Replica]) -> Iterator[int]:
    """Yield the unused slots of a group, smallest first, without end."""
    used = {replica.index for replica in replicas}
    index = 0
    while True:
        if index not in used:
            yield index
        index += 1


def _adopted(pods: list[PodView], hosts: int) -> Iterator[Replica]:
    """Pods of the peer before 1.6 say not which replica they belong to: oldest together."""
    ordered = sorted(pods, key=lambda pod: (pod.created_at, pod.name))
    for start in range(0, len(ordered), hosts):
        yield Replica(tuple(ordered[start : start + hosts]))


def _standing(pod: PodView) -> int:
    if pod.is_ready:
        return 3
    if pod.is_running:
        return 2
    return 1 if pod.is_scheduled and pod.phase == PENDING else 0
