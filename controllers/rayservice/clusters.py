"""The RayClusters of a RayService: what they are built from, and what is written on them.

A cluster carries the hash of the spec that it was built from and the Serve config that it is to
run, so that every later pass, by whichever operator, judges it by what it is.
"""

from collections.abc import Mapping
from datetime import datetime

from ray_operator.api import annotations, labels
from ray_operator.api.annotations import is_copied_to_cluster
from ray_operator.api.kinds import RAY_CLUSTER, RAY_SERVICE
from ray_operator.controllers.rayservice.desired import Desired
from ray_operator.controllers.rayservice.health import replacement_note
from ray_operator.controllers.rayservice.observed import Observed
from ray_operator.controllers.rayservice.recorded import assignment
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    canonical,
    get_object,
    get_text,
)

_STORAGE_NAMESPACE = "externalStorageNamespace"


def cluster_manifest(seen: Observed, desired: Desired, now: datetime) -> JsonObject:
    """Build the pending RayCluster from what is desired."""
    name = seen.names.pending
    return {
        "apiVersion": RAY_CLUSTER.api_version,
        "kind": RAY_CLUSTER.name,
        "metadata": {
            "name": name,
            "namespace": seen.namespace,
            "labels": {
                **seen.labels,
                labels.ORIGINATED_FROM_NAME: seen.name,
                labels.ORIGINATED_FROM_CRD: RAY_SERVICE.name,
            },
            "annotations": {**_annotations(seen, desired, name), **_history(seen, desired, now)},
        },
        "spec": _with_own_storage(desired.cluster_spec, name),
    }


def built_from(desired: Desired) -> dict[str, str]:
    """Return the annotations that tell what a cluster was built from."""
    return {
        annotations.SPEC_HASH: desired.spec_hash,
        annotations.NUM_WORKER_GROUPS: str(len(desired.groups)),
        annotations.WORKER_REPLICAS: canonical(desired.replicas).decode(),
    }


def _annotations(seen: Observed, desired: Desired, name: str) -> dict[str, str]:
    copied = {key: text for key, text in seen.annotations.items() if is_copied_to_cluster(key)}
    if namespace := copied.get(annotations.EXTERNAL_STORAGE_NAMESPACE):
        copied[annotations.EXTERNAL_STORAGE_NAMESPACE] = f"{namespace}-{name}"
    assigned = _present(assignment(desired.serve_config, desired.serve_hash))
    return {
        **copied,
        **built_from(desired),
        annotations.KUBERAY_VERSION: seen.options.build.stamp,
        **(assigned if desired.serve_hash else {}),
    }


def _history(seen: Observed, desired: Desired, now: datetime) -> dict[str, str]:
    """A new cluster for an unchanged spec replaces an ill one."""
    if seen.active is None or seen.active.spec_hash != desired.spec_hash:
        return {}
    return {annotations.HEALTH_REPLACEMENTS: replacement_note(seen.active, now)}


def _present(texts: Mapping[str, str | None]) -> dict[str, str]:
    return {key: text for key, text in texts.items() if text is not None}


def _with_own_storage(spec: JsonObject, name: str) -> JsonObject:
    """Two clusters that share a storage namespace would read each other's applications."""
    options = get_object(spec, "gcsFaultToleranceOptions")
    namespace = get_text(options, _STORAGE_NAMESPACE)
    if not namespace:
        return spec
    own: dict[str, JsonValue] = {**options, _STORAGE_NAMESPACE: f"{namespace}-{name}"}
    return {**spec, "gcsFaultToleranceOptions": own}
