"""Labels and annotations of Ray pods (raycluster.md 1.3, 4.2)."""

from dataclasses import dataclass

from ray_operator.api import annotations, labels, names
from ray_operator.controllers.manifests import fault_tolerance
from ray_operator.controllers.manifests.cluster import Cluster, Group
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.operator.documents import get_object, get_texts


@dataclass(frozen=True, slots=True)
class Slot:
    """A pod's place in its group.

    `replica_name` is shared by the pods of a multi-host replica; `failed_starts` counts the pods
    that failed in this place before they were ever Ready.
    """

    replica_index: int = 0
    host_index: int = 0
    replica_name: str = ""
    failed_starts: int = 0


def pod_labels(
    cluster: Cluster,
    group: Group,
    slot: Slot,
    options: BuildOptions,
) -> dict[str, str]:
    """Return a pod's labels; what Services and controllers select by can't be overridden."""
    template = get_texts(get_object(group.template, "metadata"), "labels")
    return {
        **options.default_pod_labels,
        labels.APP_NAME: labels.APP_NAME_VALUE,
        **template,
        **group.labels,
        **_protected(cluster, group),
        **_index_labels(group, slot, options),
    }


def head_annotations(cluster: Cluster, slot: Slot, options: BuildOptions) -> dict[str, str]:
    """Return the head pod's annotations."""
    return {
        **_common(cluster, cluster.head, slot, options),
        **fault_tolerance.head_annotations(cluster),
        annotations.UPGRADE_STRATEGY_RECREATE_HASH: cluster.stamps.spec,
        annotations.KUBERAY_VERSION: options.stamp,
    }


def worker_annotations(
    cluster: Cluster,
    group: Group,
    slot: Slot,
    options: BuildOptions,
) -> dict[str, str]:
    """Return a worker pod's annotations."""
    return _common(cluster, group, slot, options)


def _common(cluster: Cluster, group: Group, slot: Slot, options: BuildOptions) -> dict[str, str]:
    told = {
        **options.default_pod_annotations,
        **get_texts(get_object(group.template, "metadata"), "annotations"),
        annotations.POD_SPEC_HASH: cluster.stamps.pods.get(group.name, ""),
    }
    if cluster.overwrites_command:
        told[annotations.OVERWRITE_CONTAINER_CMD] = labels.TRUE
    if slot.failed_starts:
        told[annotations.FAILED_STARTS] = str(slot.failed_starts)
    return told


def _protected(cluster: Cluster, group: Group) -> dict[str, str]:
    identifier = names.head_identifier if group.is_head else names.worker_identifier
    own = {
        labels.NODE_TYPE: labels.HEAD if group.is_head else labels.WORKER,
        labels.GROUP: group.name,
        labels.CLUSTER: cluster.name,
        labels.IDENTIFIER: identifier(cluster.name),
        labels.IS_RAY_NODE: labels.YES,
        labels.CREATED_BY: labels.CREATED_BY_VALUE,
    }
    # Traffic comes once Serve's proxy on the pod is known to be healthy.
    return {**own, labels.SERVE: labels.FALSE} if cluster.serves else own


def _index_labels(group: Group, slot: Slot, options: BuildOptions) -> dict[str, str]:
    if group.is_head or not options.multi_host_indexing:
        return {}
    own = {labels.REPLICA_INDEX: str(slot.replica_index)}
    if not slot.replica_name:
        return own
    return {
        **own,
        labels.REPLICA_NAME: slot.replica_name,
        labels.HOST_INDEX: str(slot.host_index),
    }
