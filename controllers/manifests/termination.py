"""How Ray pods end: they leave the traffic first, then finish their work (raycluster.md 5.13).

For clusters of a RayService or RayJob, and for a plain one that asks for it by annotation.  None of
this enters a spec hash, and running pods are not replaced for it.
"""

from ray_operator.api import annotations, labels, names
from ray_operator.controllers.manifests.cluster import Cluster
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.variables import Env, literal
from ray_operator.operator.documents import JsonObject

_SERVE_DRAIN_SECONDS = 60
_DRAIN_SECONDS = 30
_MARGIN_SECONDS = 30
"""What Ray needs after the drain to end its processes."""
_LINGER_SECONDS = 15
"""Longer than kube-proxy and the load balancers in front need to stop sending requests."""


def drain_seconds(cluster: Cluster, options: BuildOptions) -> int | None:
    """Return how long Ray may drain; `None`: the pod ends as its template says."""
    asked = cluster.annotations.get(annotations.GRACEFUL_TERMINATION, "").lower() == labels.TRUE
    if not options.graceful_termination or (cluster.is_plain and not asked):
        return None
    return _SERVE_DRAIN_SECONDS if cluster.serves else _DRAIN_SECONDS


def grace_seconds(cluster: Cluster, options: BuildOptions) -> int | None:
    """Return the pod's terminationGracePeriodSeconds where the template sets none."""
    drain = drain_seconds(cluster, options)
    return None if drain is None else drain + _MARGIN_SECONDS


def env(cluster: Cluster, options: BuildOptions) -> Env:
    """Return the variable by which `ray start --block` knows how long to drain on SIGTERM."""
    drain = drain_seconds(cluster, options)
    if drain is None:
        return ()
    return (literal("RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", str(drain)),)


def pre_stop(cluster: Cluster, options: BuildOptions) -> JsonObject | None:
    """Return the hook that keeps a serving pod answering while it leaves the endpoints."""
    if not cluster.serves or drain_seconds(cluster, options) is None:
        return None
    return {"exec": {"command": ["/bin/sh", "-c", f"sleep {_LINGER_SECONDS}"]}}


def wants_head_budget(cluster: Cluster, options: BuildOptions) -> bool:
    """Tell whether the head is to be protected from voluntary eviction.

    A cluster that its RayService has marked for deletion is not: it would hold up a node's drain.
    The head of a RayJob's cluster is protected by its RayJob's controller, which knows when the job
    has ended.
    """
    asked = cluster.annotations.get(annotations.HEAD_PDB, "").lower()
    if asked in {labels.TRUE, labels.FALSE}:
        return asked == labels.TRUE
    is_leaving = annotations.DELETE_AFTER in cluster.annotations
    return cluster.serves and options.graceful_termination and not is_leaving


def head_budget(cluster: Cluster) -> JsonObject:
    """Return the PodDisruptionBudget of the head: its one pod may not be evicted.

    Said as `minAvailable: 1`. `maxUnavailable: 0` means the same, but Kubernetes works it out from
    the owner's scale subresource, which a RayCluster has not: it would warn every few minutes.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": names.head_disruption_budget(cluster.name),
            "namespace": cluster.namespace,
            "labels": {
                labels.CLUSTER: cluster.name,
                labels.NODE_TYPE: labels.HEAD,
                labels.APP_NAME: labels.APP_NAME_VALUE,
                labels.CREATED_BY: labels.CREATED_BY_VALUE,
            },
        },
        "spec": {
            "minAvailable": 1,
            "selector": {
                "matchLabels": {
                    labels.CLUSTER: cluster.name,
                    labels.NODE_TYPE: labels.HEAD,
                },
            },
        },
    }
