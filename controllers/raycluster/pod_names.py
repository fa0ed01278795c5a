"""Names of the pods to be made: a repeated decision gives the same name (raycluster.md 4.1).

So a request whose outcome is unknown can be sent again: the API server answers that the name
exists, and nobody gets two pods.
"""

from collections.abc import Callable, Iterable

from ray_operator.api import names
from ray_operator.api.names import PodSlot
from ray_operator.controllers.manifests.cluster import Cluster, WorkerGroup
from ray_operator.controllers.views.pod import PodView


def head_name(
    cluster: Cluster,
    heads: Iterable[PodView],
    taken: frozenset[str],
    *,
    is_fixed: bool,
) -> str:
    """Return the next head's name; `heads` are those that still exist, ending ones included."""
    if is_fixed:
        return names.deterministic_head_pod_name(cluster.name)
    place, last = PodSlot(cluster.uid, cluster.head.name), _uid(newest(heads))
    return first_free(
        lambda salt: names.head_pod_name(cluster.name, place.seed(last, salt)),
        taken,
    )


def worker_name(
    cluster: Cluster,
    group: WorkerGroup,
    place: PodSlot,
    predecessor: PodView | None,
    taken: frozenset[str],
) -> str:
    """Return the name of the next worker at a place; it is none that the autoscaler wants gone."""
    last = _uid(predecessor)
    return first_free(
        lambda salt: names.worker_pod_name(cluster.name, group.name, place.seed(last, salt)),
        taken | group.workers_to_delete,
    )


def replica_name(place: PodSlot, predecessor: PodView | None) -> str:
    """Return the name that the pods of a multi-host replica share."""
    return names.replica_name(place.group, place.seed(_uid(predecessor)))


def first_free(name_of: Callable[[int], str], taken: frozenset[str]) -> str:
    """Return the first of the names for salt 0, 1, 2, … that is free."""
    salt = 0
    while (name := name_of(salt)) in taken:
        salt += 1
    return name


def newest(pods: Iterable[PodView]) -> PodView | None:
    """Return the pod that was created last; of two in one second, the later name's."""
    ranked = sorted(pods, key=lambda pod: (pod.created_at, pod.name))
    return ranked[-1] if ranked else None


def _uid(pod: PodView | None) -> str:
    return pod.uid if pod is not None else ""
