"""What lets a new head find the state of the old one (raycluster.md 13.1)."""

from ray_operator.api import annotations, labels, names
from ray_operator.controllers.manifests.cluster import Cluster, FaultTolerance
from ray_operator.controllers.manifests.ray_params import Params
from ray_operator.controllers.manifests.variables import Env, literal
from ray_operator.operator.documents import JsonObject, get_object, get_text

_VOLUME = "gcs-storage"
_STORAGE_PATH = "/data/gcs"
_RECONNECT_SECONDS = "600"
"""How long workers wait for a new head before they give up; the peer's number."""


def head_env(cluster: Cluster) -> Env:
    """Return the head's variables, as defaults."""
    match cluster.fault_tolerance:
        case FaultTolerance.REDIS:
            return _redis_env(cluster)
        case FaultTolerance.ROCKSDB:
            return (
                literal("RAY_gcs_storage", "rocksdb"),
                literal("RAY_gcs_storage_path", _STORAGE_PATH),
            )
        case FaultTolerance.NONE:
            return ()


def worker_env(cluster: Cluster) -> Env:
    """Return the workers' variables, as defaults."""
    if cluster.fault_tolerance is FaultTolerance.NONE:
        return ()
    return (literal("RAY_gcs_rpc_server_reconnect_timeout_s", _RECONNECT_SECONDS),)


def head_params(cluster: Cluster) -> Params:
    """Return the parameters of `ray start` that refer to the credentials in the environment."""
    if cluster.fault_tolerance is not FaultTolerance.REDIS:
        return {}
    options, params = cluster.fault_tolerance_options, {}
    if "redisUsername" in options:
        params["redis-username"] = "$REDIS_USERNAME"
    if "redisPassword" in options:
        params["redis-password"] = "$REDIS_PASSWORD"  # a reference
    return params


def head_annotations(cluster: Cluster) -> dict[str, str]:
    """Return what the head pod says about its fault tolerance."""
    if cluster.fault_tolerance is FaultTolerance.NONE:
        return {annotations.FT_ENABLED: labels.FALSE}
    told = {annotations.FT_ENABLED: labels.TRUE}
    if cluster.fault_tolerance is FaultTolerance.REDIS:
        told[annotations.EXTERNAL_STORAGE_NAMESPACE] = cluster.storage_namespace
    return told


def head_volumes(cluster: Cluster) -> tuple[JsonObject, ...]:
    """Return the volume with GCS's database."""
    if cluster.fault_tolerance is not FaultTolerance.ROCKSDB:
        return ()
    storage = get_object(cluster.fault_tolerance_options, "storage")
    claim = get_text(storage, "claimName") or names.gcs_claim(cluster.name)
    return ({"name": _VOLUME, "persistentVolumeClaim": {"claimName": claim}},)


def head_mounts(cluster: Cluster) -> tuple[JsonObject, ...]:
    """Return where the head finds its database."""
    if cluster.fault_tolerance is not FaultTolerance.ROCKSDB:
        return ()
    sub_path = get_text(get_object(cluster.fault_tolerance_options, "storage"), "subPath")
    mount: JsonObject = {"name": _VOLUME, "mountPath": _STORAGE_PATH}
    return ({**mount, "subPath": sub_path},) if sub_path else (mount,)


def _redis_env(cluster: Cluster) -> Env:
    env: list[JsonObject] = [
        literal("RAY_external_storage_namespace", cluster.storage_namespace),
    ]
    options = cluster.fault_tolerance_options
    if address := get_text(options, "redisAddress"):
        env.append(literal("RAY_REDIS_ADDRESS", address))
    if "redisUsername" in options:
        env.append({"name": "REDIS_USERNAME", **get_object(options, "redisUsername")})
    if "redisPassword" in options:
        env.append({"name": "REDIS_PASSWORD", **get_object(options, "redisPassword")})
    elif password := cluster.head.start_params.get("redis-password"):
        env.append(literal("REDIS_PASSWORD", password))
    return tuple(env)
