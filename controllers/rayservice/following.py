"""Whose Ray is looked at, where, and how often: derived in each pass from what is seen."""

from ray_operator.controllers.dashboard.address import ClusterAddress, PodAddress
from ray_operator.controllers.dashboard.poller import AT_REST, IN_TRANSITION, Pace
from ray_operator.controllers.dashboard.reports import HEALTHY, RUNNING
from ray_operator.controllers.manifests.ports import (
    DASHBOARD,
    DASHBOARD_AGENT,
    METRICS,
    SERVE,
    port_number,
)
from ray_operator.controllers.rayservice.observed import ClusterSeen, Observed
from ray_operator.controllers.views.pod import PodView


def address_of(cluster: ClusterSeen) -> ClusterAddress | None:
    """Return where a cluster's Ray listens; None while its head has no address."""
    head = cluster.head
    if head is None or not head.ip:
        return None
    ports = cluster.cluster.ports
    return ClusterAddress(
        uid=cluster.uid,
        head=_pod_address(head),
        head_uid=head.uid,
        head_restarts=cluster.head_restarts,
        is_head_ready=head.is_ready,
        dashboard_port=port_number(ports, DASHBOARD),
        agent_port=port_number(ports, DASHBOARD_AGENT),
        serve_port=port_number(ports, SERVE),
        metrics_port=port_number(ports, METRICS),
        pods=tuple(_pod_address(pod) for pod in cluster.live_pods if pod.ip),
    )


def pace_of(cluster: ClusterSeen, seen: Observed) -> Pace:
    """Return how closely a cluster is to be watched: closely while anything is moving."""
    is_moving = bool(seen.names.pending) or not seen.num_serve_endpoints or not _is_at_rest(cluster)
    return IN_TRANSITION if is_moving else AT_REST


def _is_at_rest(cluster: ClusterSeen) -> bool:
    report, submitted = cluster.report, cluster.submitted
    if report is None or submitted is None or submitted.config_hash != cluster.assigned_hash:
        return False
    return all(
        application.status == RUNNING and all(d.status == HEALTHY for d in application.deployments)
        for application in report.applications
    )


def _pod_address(pod: PodView) -> PodAddress:
    return PodAddress(namespace=pod.key.namespace, name=pod.name, ip=pod.ip)
