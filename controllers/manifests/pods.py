"""The pods of a cluster: the user's template, completed to a Ray node.

The order of assembly fixes the order of variables, volumes and containers (raycluster.md 5.1).  The
owner reference is the executor's.
"""

from collections.abc import Iterable, Mapping

from ray_operator.api import annotations
from ray_operator.controllers.manifests import (
    authentication,
    autoscaler,
    environment,
    fault_tolerance,
    init_containers,
    metadata,
    probes,
    ray_params,
    start_command,
    termination,
    volumes,
)
from ray_operator.controllers.manifests.cluster import Cluster, Group, WorkerGroup
from ray_operator.controllers.manifests.metadata import Slot
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.ports import with_metrics_port
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_object,
    get_objects,
    get_texts,
)

_DEFAULT_PARAMS = {"metrics-export-port": "8080", "dashboard-agent-listen-port": "52365"}


def head_pod(cluster: Cluster, name: str, slot: Slot, options: BuildOptions) -> JsonObject:
    """Return the head's pod."""
    group = cluster.head
    params = head_params(cluster)
    start = start_command.ray_start(params, is_head=True)
    logs = [volumes.ray_directory()] if cluster.has_autoscaler else []
    ray = _ray_container(cluster, group, options, params)
    ray = _with_command(ray, cluster, group, start, options)
    ray = {**ray, "env": environment.head_env(cluster, options, start)}
    ray = volumes.with_mounts(ray, fault_tolerance.head_mounts(cluster))
    ray = _with_storage(ray, cluster, options, params, logs)
    sidecars = [autoscaler.sidecar(cluster, options)] if cluster.has_autoscaler else []
    spec = _pod_spec(cluster, group, options)
    spec["containers"] = [ray, *_others(group), *sidecars, *options.head_sidecars]
    spec["volumes"] = volumes.with_volumes(
        get_objects(spec, "volumes"),
        [*fault_tolerance.head_volumes(cluster), *_volumes(cluster, group, options, params, logs)],
    )
    spec["initContainers"] = _init_containers(cluster, group, options)
    if cluster.has_autoscaler:
        spec["serviceAccountName"] = cluster.account_name
    return _pod(
        cluster,
        name,
        metadata.pod_labels(cluster, group, slot, options),
        metadata.head_annotations(cluster, slot, options),
        spec,
    )


def worker_pod(  # noqa: PLR0913, PLR0917 - the last one saves work
    cluster: Cluster,
    group: WorkerGroup,
    name: str,
    slot: Slot,
    options: BuildOptions,
    spec: JsonObject | None = None,
) -> JsonObject:
    """Return a worker's pod; `spec` is what `worker_spec` returned for the group, if known."""
    return _pod(
        cluster,
        name,
        metadata.pod_labels(cluster, group, slot, options),
        metadata.worker_annotations(cluster, group, slot, options),
        worker_spec(cluster, group, options) if spec is None else spec,
    )


def worker_spec(cluster: Cluster, group: WorkerGroup, options: BuildOptions) -> JsonObject:
    """Return the spec of a worker's pod, which nothing but its group changes."""
    params = worker_params(cluster, group, options)
    start = start_command.ray_start(params, is_head=False)
    ray = _ray_container(cluster, group, options, params)
    ray = _with_command(ray, cluster, group, start, options)
    ray = {**ray, "env": environment.worker_env(cluster, group, options, start)}
    ray = _with_storage(ray, cluster, options, params, [])
    spec = _pod_spec(cluster, group, options)
    waits = options.inject_init_container
    extra = [init_containers.wait_gcs_ready(cluster, group, options)] if waits else []
    spec["containers"] = [ray, *_others(group), *options.worker_sidecars]
    spec["volumes"] = volumes.with_volumes(
        get_objects(spec, "volumes"),
        _volumes(cluster, group, options, params, []),
    )
    spec["initContainers"] = [*_init_containers(cluster, group, options), *extra]
    return spec


def head_params(cluster: Cluster) -> ray_params.Params:
    """Return the parameters of the head's `ray start`."""
    group = cluster.head
    params = _with_group_params(group)
    params.setdefault("dashboard-host", "0.0.0.0")  # noqa: S104  # Services must reach it
    params = {**_DEFAULT_PARAMS, **params, "block": "true"}
    if cluster.has_autoscaler:
        # The sidecar does what Ray's own monitor would do.
        params["no-monitor"] = "true"
    params.update(fault_tolerance.head_params(cluster))
    return ray_params.container_resource_params(params, group.ray_container)


def worker_params(cluster: Cluster, group: Group, options: BuildOptions) -> ray_params.Params:
    """Return the parameters of a worker's `ray start`."""
    params = _with_group_params(group)
    params.setdefault("address", cluster.head_address(options.cluster_domain))
    params = {**_DEFAULT_PARAMS, **params, "block": "true"}
    return ray_params.container_resource_params(params, group.ray_container)


def _with_group_params(group: Group) -> ray_params.Params:
    params = {**group.start_params, **ray_params.group_resource_params(group.resources)}
    if group.labels:
        pairs = (f"{key}={group.labels[key]}" for key in sorted(group.labels))
        params["labels"] = ",".join(pairs)
    return params


def _ray_container(
    cluster: Cluster,
    group: Group,
    options: BuildOptions,
    params: Mapping[str, str],
) -> JsonObject:
    container = group.ray_container
    container = {**container, "ports": with_metrics_port(container, params)}
    container = probes.with_probes(container, cluster, group, options)
    hook = termination.pre_stop(cluster, options)
    lifecycle = get_object(container, "lifecycle")
    if hook is not None and "preStop" not in lifecycle:
        container = {**container, "lifecycle": {**lifecycle, "preStop": hook}}
    return container


def _with_command(
    container: JsonObject,
    cluster: Cluster,
    group: Group,
    start: str,
    options: BuildOptions,
) -> JsonObject:
    """Put Ray's start behind the user's own command, unless that starts Ray itself."""
    own = start_command.user_command(container)
    told = get_texts(get_object(group.template, "metadata"), "annotations")
    overwrite = told.get(annotations.OVERWRITE_CONTAINER_CMD, "").lower() == "true"
    if overwrite or cluster.overwrites_command or start_command.starts_ray(own):
        return container
    job = cluster.annotations.get(annotations.STREAM_DRIVER_LOG, "") if group.is_head else ""
    return {
        **container,
        "command": start_command.shell(login=options.login_shell),
        "args": [start_command.wrapped(start, own, driver_log=job)],
    }


def _with_storage(
    container: JsonObject,
    cluster: Cluster,
    options: BuildOptions,
    params: Mapping[str, str],
    logs: Iterable[volumes.Storage],
) -> JsonObject:
    shm = volumes.shared_memory(container, params)
    mounts = [
        *authentication.mounts(cluster, options),
        *([shm.mount] if shm else []),
        *(storage.mount for storage in logs),
    ]
    return volumes.with_mounts(container, mounts)


def _volumes(
    cluster: Cluster,
    group: Group,
    options: BuildOptions,
    params: Mapping[str, str],
    logs: Iterable[volumes.Storage],
) -> list[JsonObject]:
    shm = volumes.shared_memory(group.ray_container, params)
    return [
        *authentication.volumes(cluster, options),
        *([shm.volume] if shm else []),
        *(storage.volume for storage in logs),
    ]


def _others(group: Group) -> tuple[JsonObject, ...]:
    return get_objects(get_object(group.template, "spec"), "containers")[1:]


def _init_containers(
    cluster: Cluster,
    group: Group,
    options: BuildOptions,
) -> list[JsonObject]:
    own = get_objects(get_object(group.template, "spec"), "initContainers")
    return [init_containers.with_head_address(c, cluster, options) for c in own]


def _pod_spec(cluster: Cluster, group: Group, options: BuildOptions) -> dict[str, JsonValue]:
    spec = dict(get_object(group.template, "spec"))
    if policy := cluster.forced_restart_policy(group):
        spec["restartPolicy"] = policy
    grace = termination.grace_seconds(cluster, options)
    if grace is not None:
        spec.setdefault("terminationGracePeriodSeconds", grace)
    return spec


def _pod(
    cluster: Cluster,
    name: str,
    labels: Mapping[str, str],
    told: Mapping[str, str],
    spec: Mapping[str, JsonValue],
) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": cluster.namespace,
            "labels": labels,
            "annotations": told,
        },
        "spec": {key: value for key, value in spec.items() if value not in ([], ())},
    }
