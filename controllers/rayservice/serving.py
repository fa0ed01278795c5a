"""Which pods take requests: the label `ray.io/serve` on the pods of both clusters.

Ray's own view of its proxies decides.  While Ray's dashboard is silent, each proxy speaks for
itself, so that workers go on serving without their head.  Where nothing is known, nothing changes
(rayservice.md 7).
"""

from collections.abc import Iterator

from ray_operator.api import labels
from ray_operator.controllers.dashboard.reports import ProxyHealth
from ray_operator.controllers.rayservice.actions import LabelPod
from ray_operator.controllers.rayservice.observed import ClusterSeen
from ray_operator.controllers.views.pod import PodView


def label_pods(cluster: ClusterSeen, *, excludes_head: bool) -> Iterator[LabelPod]:
    """Return the changes of labels that a cluster's pods need."""
    for pod in cluster.live_pods:
        if is_excluded(cluster, pod, excludes_head=excludes_head):
            serves: bool | None = False
        else:
            serves = _serves(cluster, pod)
        if serves is None:
            continue
        wanted = labels.TRUE if serves else labels.FALSE
        if pod.labels.get(labels.SERVE) != wanted:
            yield LabelPod(pod, serves)


def is_excluded(cluster: ClusterSeen, pod: PodView, *, excludes_head: bool) -> bool:
    """Tell whether the user wants no requests here; a head that is alone serves all the same."""
    return excludes_head and pod.is_head and not is_head_alone(cluster)


def is_head_alone(cluster: ClusterSeen) -> bool:
    """Tell whether a cluster has, and is to have, no pod but its head."""
    return cluster.cluster.desired_workers == 0 and not any(
        pod.is_worker for pod in cluster.live_pods
    )


def _serves(cluster: ClusterSeen, pod: PodView) -> bool | None:
    """Tell whether a pod takes requests; None if nobody knows."""
    observation = cluster.ray.observation
    if observation is None:
        return None
    if observation.report is not None:
        healthy = {proxy.node_ip for proxy in observation.report.proxies if proxy.is_healthy}
        return bool(pod.ip) and pod.ip in healthy
    match observation.proxies.get(pod.name):
        case ProxyHealth.OK:
            return True
        case ProxyHealth.REFUSED | ProxyHealth.DRAINING:
            return False
        case _:
            return None
