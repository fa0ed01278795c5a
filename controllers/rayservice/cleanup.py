"""When a cluster that is neither active nor pending goes (rayservice.md 12).

Its last hour is written on the cluster at first sight, so that a restart does not give it a longer
one.  A cluster that may have served stays until no Service leads to it any more.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ray_operator.api import labels
from ray_operator.controllers.rayservice.actions import DeleteCluster, ScheduleDeletion
from ray_operator.controllers.rayservice.desired import (
    DEFAULT_DELETION_DELAY,
    DEFAULT_DRAIN_TIMEOUT,
    Desired,
)
from ray_operator.controllers.rayservice.observed import ClusterSeen, Observed

SETTLED = timedelta(seconds=5)
"""After a switch kube-proxy and kept connections follow within seconds, not at once."""
GAUGES_LAG = timedelta(seconds=12)
"""Ray reports its gauges every 10 s: before that a request in flight may not show."""
LOOK_AGAIN = timedelta(seconds=2)
"""While endpoints still name a cluster that is due; their change is not watched for its sake."""


def clean_up(seen: Observed, now: datetime) -> Iterator[ScheduleDeletion | DeleteCluster]:
    """Schedule and delete the clusters that are left over."""
    for cluster in seen.others:
        if cluster.is_terminating:
            continue
        if cluster.delete_after is None:
            yield ScheduleDeletion(cluster.ref, now, now + _delay(seen, cluster))
        elif now >= cluster.delete_after and _may_go(seen, cluster, now):
            yield DeleteCluster(cluster.ref, "another cluster has taken its place")


def next_look(seen: Observed, now: datetime) -> datetime | None:
    """Return when a left-over cluster is to be looked at again."""
    due = [c.delete_after for c in seen.others if c.delete_after and not c.is_terminating]
    return max(min(due), now + LOOK_AGAIN) if due else None


def is_draining(cluster: ClusterSeen, now: datetime) -> bool:
    """Tell whether a cluster's time is over, and only requests in flight keep it."""
    return (
        cluster.has_served
        and not cluster.is_terminating
        and cluster.delete_after is not None
        and now >= cluster.delete_after
    )


def _may_go(seen: Observed, cluster: ClusterSeen, now: datetime) -> bool:
    if still_reached(seen, cluster):
        return False
    if not cluster.has_served or not cluster.live_pods:
        return True
    if cluster.ray.is_drained and _has_left_traffic_for(cluster, GAUGES_LAG, now):
        return True
    return _has_left_traffic_for(cluster, _drain_timeout(seen), now)


def _has_left_traffic_for(cluster: ClusterSeen, duration: timedelta, now: datetime) -> bool:
    """A cluster that an earlier release scheduled has no date: its hour to go counts as one."""
    left = cluster.left_traffic_at or cluster.delete_after
    return left is not None and now >= left + duration


def _drain_timeout(seen: Observed) -> timedelta:
    """A request that never ends must not keep a cluster for ever."""
    desired = seen.desired
    return desired.drain_timeout if isinstance(desired, Desired) else DEFAULT_DRAIN_TIMEOUT


def still_reached(seen: Observed, cluster: ClusterSeen) -> bool:
    """Tell whether a Service of ours, or its endpoints, still lead to a cluster."""
    pods = {pod.uid for pod in cluster.pods}
    return any(
        service.selector.get(labels.CLUSTER) == cluster.name
        for service in seen.services
        if service.owner_uid == seen.ref.uid
    ) or any(endpoint.uid in pods for endpoint in seen.endpoints)


def _delay(seen: Observed, cluster: ClusterSeen) -> timedelta:
    if not cluster.has_served:
        return timedelta()
    asked = (
        seen.desired.deletion_delay if isinstance(seen.desired, Desired) else DEFAULT_DELETION_DELAY
    )
    return max(asked, SETTLED)
