"""A worker group: as many replicas as asked for (raycluster.md 6.3, 6.4, 6.6).

Groups are independent: one that waits for the cache, or fails, holds up no other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from ray_operator.api.names import PodSlot
from ray_operator.controllers.manifests.cluster import WorkerGroup
from ray_operator.controllers.manifests.metadata import Slot
from ray_operator.controllers.raycluster import health, pod_names
from ray_operator.controllers.raycluster.actions import CreateWorker, DeletePod
from ray_operator.controllers.raycluster.decision import Plan, join
from ray_operator.controllers.raycluster.head_policy import may_create_pods
from ray_operator.controllers.raycluster.observed import Observed, group_lane
from ray_operator.controllers.raycluster.replicas import (
    Replica,
    free_indexes,
    is_atomic,
    replicas_of,
    wanted_replicas,
)

MOST_CREATIONS = 64
"""Pods a group and pass: a large group must not keep other clusters waiting (operator.md 4)."""
_NEXT_TURN = timedelta(seconds=1)


def plan_workers(seen: Observed, now: datetime) -> Plan:
    """Decide what becomes of every worker group of the spec."""
    return join(plan_group(seen, group, now) for group in seen.cluster.workers)


def plan_group(seen: Observed, group: WorkerGroup, now: datetime) -> Plan:
    """Decide what becomes of one worker group."""
    if group_lane(group.name) in seen.unsettled:
        return Plan()
    present = tuple(pod for pod in seen.pods_of(group.name) if not pod.is_terminating)
    if group.is_suspended:
        return Plan(tuple(DeletePod(pod, "the group is suspended") for pod in present))
    indexing = seen.policy.build.multi_host_indexing
    sorted_out = _sort_out(seen, group, replicas_of(group, present, indexing=indexing), now)
    missing = wanted_replicas(group, indexing=indexing) - len(sorted_out.kept)
    deletions = Plan(sorted_out.deletions, check_again=sorted_out.check_again)
    if missing > 0:
        return join([deletions, _create(seen, group, missing, sorted_out.kept)])
    if missing < 0 and _may_shrink(seen):
        return join([deletions, _shrink(sorted_out.kept, -missing)])
    return deletions


@dataclass(frozen=True, slots=True)
class _SortedOut:
    """Replicas that stay (or whose replacement must wait), and deletions of the others."""

    kept: tuple[Replica, ...]
    deletions: tuple[DeletePod, ...]
    check_again: timedelta | None


def _sort_out(
    seen: Observed,
    group: WorkerGroup,
    replicas: tuple[Replica, ...],
    now: datetime,
) -> _SortedOut:
    kept: list[Replica] = []
    deletions: list[DeletePod] = []
    waits: list[timedelta] = []
    for replica in replicas:
        doom = _doom_of(replica, seen, group)
        wait = _wait_of(replica, now) if doom is not None and doom.may_wait else None
        if wait is not None:
            waits.append(wait)
        if doom is None or wait is not None:
            kept.append(replica)
        else:
            deletions.extend(DeletePod(pod, doom.cause) for pod in replica.pods)
    return _SortedOut(tuple(kept), tuple(deletions), min(waits, default=None))


@dataclass(frozen=True, slots=True)
class _Doom:
    cause: str
    may_wait: bool = False


def _doom_of(replica: Replica, seen: Observed, group: WorkerGroup) -> _Doom | None:
    """Return why a replica must go; `None` if it may stay."""
    for pod in replica.pods:
        if pod.name in group.workers_to_delete:
            return _Doom(f"{pod.name} is named in workersToDelete")
    for pod in replica.pods:
        if why := health.why_unhealthy(pod, seen.nodes):
            return _Doom(why, may_wait=True)
    atomic = is_atomic(group, indexing=seen.policy.build.multi_host_indexing)
    if atomic and len(replica.pods) != group.hosts:
        return _Doom(f"its replica has {len(replica.pods)} of {group.hosts} hosts")
    return None


def _wait_of(replica: Replica, now: datetime) -> timedelta | None:
    due = [at for pod in replica.pods if (at := health.replace_at(pod)) is not None]
    return max(due) - now if due and max(due) > now else None


def _may_shrink(seen: Observed) -> bool:
    """With an autoscaler, only it knows which workers are idle; it names them itself."""
    return not seen.cluster.has_autoscaler or seen.policy.random_pod_delete


def _shrink(replicas: tuple[Replica, ...], surplus: int) -> Plan:
    victims = sorted(replicas, key=lambda replica: replica.rank)[:surplus]
    cause = "the group has more replicas than wanted"
    return Plan(tuple(DeletePod(pod, cause) for victim in victims for pod in victim.pods))


def _create(seen: Observed, group: WorkerGroup, missing: int, kept: tuple[Replica, ...]) -> Plan:
    if not may_create_pods(seen):
        return Plan()
    atomic = is_atomic(group, indexing=seen.policy.build.multi_host_indexing)
    hosts = group.hosts if atomic else 1
    at_once = max(1, MOST_CREATIONS // hosts)
    indexes = islice(free_indexes(kept), min(missing, at_once))
    actions = tuple(_new_pods(seen, group, indexes, atomic=atomic))
    return Plan(actions, check_again=_NEXT_TURN if missing > at_once else None)


def _new_pods(
    seen: Observed,
    group: WorkerGroup,
    indexes: Iterator[int],
    *,
    atomic: bool,
) -> Iterator[CreateWorker]:
    cluster, taken = seen.cluster, seen.taken_names
    for index in indexes:
        before = tuple(p for p in seen.pods_of(group.name) if p.replica_index == index)
        last = pod_names.newest(before)
        failed_starts = max((health.failed_starts_after(pod) for pod in before), default=0)
        whole = PodSlot(cluster.uid, group.name, index, "-")
        shared = pod_names.replica_name(whole, last) if atomic else ""
        for host in range(group.hosts if atomic else 1):
            place = PodSlot(cluster.uid, group.name, index, host)
            name = pod_names.worker_name(cluster, group, place, last, taken)
            taken |= {name}
            yield CreateWorker(group, name, Slot(index, host, shared, failed_starts))
