"""What a change of the spec asks for: nothing, an edit in place, or a new cluster.

Compared is what the newest cluster was built from (its annotations) with what is desired, never two
specs as they lie in the API server: defaults and the autoscaler's edits are no changes.
A decision carries its reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ray_operator.api import annotations
from ray_operator.api.hashes import is_comparable, spec_hash
from ray_operator.controllers.rayservice.desired import (
    Desired,
    Strategy,
    upgrades_on_replica_change,
)
from ray_operator.controllers.rayservice.drift import differing_paths
from ray_operator.controllers.rayservice.health import why_replace
from ray_operator.controllers.rayservice.observed import ClusterSeen, Observed
from ray_operator.operator.documents import JsonObject, decode, get_objects

_SCALING = frozenset(
    {
        "replicas",
        "minReplicas",
        "maxReplicas",
        "scaleStrategy",
        "tolerations",
        "schedulingGates",
        "suspend",
    }
)


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing is to be done about the clusters."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A new cluster is due; it becomes the pending one.

    `is_recreate` says that the active one goes first.
    """

    reason: str
    is_recreate: bool = False


@dataclass(frozen=True, slots=True)
class Abandon:
    """The pending cluster is not wanted any more: the active one is what the spec asks for."""


@dataclass(frozen=True, slots=True)
class Append:
    """Worker groups were added behind the others: they are added to the cluster in place."""

    cluster: ClusterSeen
    groups: tuple[JsonObject, ...]


@dataclass(frozen=True, slots=True)
class Restamp:
    """The cluster is what is desired, but another hash function said so."""

    cluster: ClusterSeen


@dataclass(frozen=True, slots=True)
class Drift:
    """The cluster differs from the spec, and the strategy says to leave it alone."""

    reason: str


Decision = Keep | Begin | Abandon | Append | Restamp | Drift


def decide(seen: Observed, now: datetime, *, is_switching: bool) -> Decision:
    """Decide about the clusters of a service whose spec is valid.

    `is_switching` says that traffic already goes to the pending cluster: then it is not replaced
    any more, but becomes the active one first.
    """
    desired = seen.desired
    if not isinstance(desired, Desired):
        return Keep()
    if seen.names.pending and seen.pending is None:
        return Keep()  # it is about to be created, from whatever the spec says then
    newest = seen.pending or seen.active
    if newest is None:
        return Begin("the service has no cluster")
    change = compare(newest, desired, seen.annotations)
    if isinstance(change, Keep) and seen.pending is None and (why := why_replace(seen, now)):
        return Begin(why)
    if not isinstance(change, Begin):
        return change
    return Keep() if is_switching else _replace(seen, desired, change)


def _replace(seen: Observed, desired: Desired, change: Begin) -> Decision:
    """The newest cluster is not what is desired: decide what takes its place."""
    if seen.active is None:
        return change  # a broken first cluster is replaced under every strategy
    if seen.pending is not None:
        back = compare(seen.active, desired, seen.annotations)
        if isinstance(back, Keep):
            return Abandon()
    match desired.strategy:
        case Strategy.NONE:
            return Drift(_paths(seen.pending or seen.active, desired) or change.reason)
        case Strategy.RECREATE:
            return Begin(change.reason, is_recreate=True)
        case Strategy.NEW_CLUSTER | Strategy.INCREMENTAL:
            return change


def _paths(cluster: ClusterSeen, desired: Desired) -> str:
    """Name what differs, without what is never brought into a running cluster anyway."""
    paths = differing_paths(cluster.cluster.spec, desired.cluster_spec, leave_out=_SCALING)
    return ", ".join(f"spec.rayClusterConfig.{path}" for path in paths)


def compare(
    cluster: ClusterSeen, desired: Desired, texts: Mapping[str, str]
) -> Keep | Begin | Append | Restamp:
    """Compare what a cluster was built from with what is desired; `texts` are annotations."""
    built_from = cluster.spec_hash
    if not is_comparable(built_from):
        is_same = spec_hash(cluster.cluster.spec) == desired.spec_hash
        return Restamp(cluster) if is_same else Begin("spec.rayClusterConfig changed")
    if built_from == desired.spec_hash:
        if upgrades_on_replica_change(desired, texts) and _replicas_differ(cluster, desired):
            return Begin("the replicas of a worker group changed")
        return Keep()
    if appended := _appended_groups(cluster, desired):
        return Append(cluster, appended)
    return Begin("spec.rayClusterConfig changed")


def _appended_groups(cluster: ClusterSeen, desired: Desired) -> tuple[JsonObject, ...]:
    count = _group_count(cluster)
    if count >= len(desired.groups) or desired.hash_of_first(count) != cluster.spec_hash:
        return ()
    return desired.groups[count:]


def _group_count(cluster: ClusterSeen) -> int:
    written = cluster.annotations.get(annotations.NUM_WORKER_GROUPS, "")
    if written.isascii() and written.isdigit():
        return int(written)
    return len(get_objects(cluster.cluster.spec, "workerGroupSpecs"))


def _replicas_differ(cluster: ClusterSeen, desired: Desired) -> bool:
    try:
        built_with = decode(cluster.annotations.get(annotations.WORKER_REPLICAS, ""))
    except ValueError:
        return False
    return dict(built_with) != desired.replicas
