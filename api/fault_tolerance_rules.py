"""Rules about the storage of the head's state (GCS fault tolerance)."""

from ray_operator.api import annotations as annotation_keys
from ray_operator.api.gates import GCS_FT_EMBEDDED_STORAGE
from ray_operator.api.problems import Problem, Problems
from ray_operator.api.raycluster_facts import REDIS_ADDRESS_ENV, ClusterFacts
from ray_operator.api.values import get_entries
from ray_operator.operator.documents import JsonObject, get_object, get_text

ROCKSDB = "rocksdb"
STORAGE_VOLUME = "gcs-storage"
STORAGE_MOUNT = "/data/gcs"
_REDIS_FIELDS = ("redisAddress", "redisUsername", "redisPassword", "externalStorageNamespace")
_CLAIM_FIELDS = ("size", "storageClassName", "accessModes")


def find_fault_tolerance_problems(cluster: ClusterFacts) -> Problems:
    """Check the options, and what may not stand beside them."""
    if "gcsFaultToleranceOptions" in cluster.spec:
        options = get_object(cluster.spec, "gcsFaultToleranceOptions")
        field = f"{cluster.path}.gcsFaultToleranceOptions"
        yield from _find_doubled_problems(cluster, field)
        if get_text(options, "backend") == ROCKSDB:
            yield from _find_rocksdb_problems(cluster, options, field)
        elif "storage" in options:
            yield Problem(
                f"{field}.storage",
                "expected backend: rocksdb for a volume, found the backend redis",
            )
    yield from _find_username_problems(cluster)


def _find_doubled_problems(cluster: ClusterFacts, field: str) -> Problems:
    doubled = "expected it in gcsFaultToleranceOptions alone, found it here too"
    if cluster.annotations.get(annotation_keys.FT_ENABLED):
        yield Problem(
            f"metadata.annotations[{annotation_keys.FT_ENABLED}]",
            f"expected the annotation or {field}, found both",
        )
    head = cluster.head
    if "redis-password" in head.start_params:
        yield Problem(f"{head.path}.rayStartParams.redis-password", doubled)
    for name in ("REDIS_PASSWORD", REDIS_ADDRESS_ENV):
        if name in head.env:
            yield Problem(f"{head.ray_container_path}.env[{name}]", doubled)
    if annotation_keys.EXTERNAL_STORAGE_NAMESPACE in cluster.annotations:
        yield Problem(
            f"metadata.annotations[{annotation_keys.EXTERNAL_STORAGE_NAMESPACE}]",
            doubled,
        )


def _find_rocksdb_problems(cluster: ClusterFacts, options: JsonObject, field: str) -> Problems:
    if not cluster.is_on(GCS_FT_EMBEDDED_STORAGE):
        yield Problem(f"{field}.backend", f"rocksdb needs the gate {GCS_FT_EMBEDDED_STORAGE}")
    for name in _REDIS_FIELDS:
        if name in options:
            yield Problem(f"{field}.{name}", "expected only with the backend redis, found rocksdb")
    storage = get_object(options, "storage")
    if get_text(storage, "claimName"):
        for name in _CLAIM_FIELDS:
            if name in storage:
                yield Problem(
                    f"{field}.storage.{name}",
                    "expected either an existing claimName or the details of a new claim, "
                    "found both",
                )
    yield from _find_taken_storage(cluster)


def _find_taken_storage(cluster: ClusterFacts) -> Problems:
    head = cluster.head
    for name in ("RAY_gcs_storage", "RAY_gcs_storage_path"):
        if name in head.env:
            yield Problem(
                f"{head.ray_container_path}.env[{name}]",
                "is set by the operator for the backend rocksdb, found it in the template",
            )
    for mount in get_entries(head.ray_container, "volumeMounts"):
        is_ours = get_text(mount, "name") == STORAGE_VOLUME
        if is_ours or get_text(mount, "mountPath") == STORAGE_MOUNT:
            yield Problem(
                f"{head.ray_container_path}.volumeMounts",
                f"{STORAGE_VOLUME} at {STORAGE_MOUNT} is mounted by the operator for the backend "
                "rocksdb, found such a mount in the template",
            )
    if any(get_text(v, "name") == STORAGE_VOLUME for v in get_entries(head.pod, "volumes")):
        yield Problem(
            f"{head.pod_path}.volumes",
            f"the volume {STORAGE_VOLUME} is made by the operator for the backend rocksdb, "
            "found one of that name in the template",
        )


def _find_username_problems(cluster: ClusterFacts) -> Problems:
    wanted = "expected in gcsFaultToleranceOptions.redisUsername, found it here"
    head = cluster.head
    if "redis-username" in head.start_params:
        yield Problem(f"{head.path}.rayStartParams.redis-username", wanted)
    if "REDIS_USERNAME" in head.env:
        yield Problem(f"{head.ray_container_path}.env[REDIS_USERNAME]", wanted)
