"""The environment of the Ray container, in the order of raycluster.md 5.6.

Two ways to add a variable: as a default (the user's entry of that name wins), or forced (ours
replaces it in its place, as a duplicate would leave it to chance which one counts).
"""

from ray_operator.controllers.manifests import authentication, fault_tolerance, termination
from ray_operator.controllers.manifests.cluster import Cluster, Group
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.variables import (
    Env,
    from_field,
    from_label,
    literal,
    own_env,
    with_defaults,
    with_forced,
)

START_COMMAND = "KUBERAY_GEN_RAY_START_CMD"
"""Carries the bare `ray start …`: users who overwrite the command run it themselves."""

_SERVE_DEFAULTS = (
    # A task that waits for a dead node's reason delays the failover of a request by as much.
    literal("RAY_timeout_ms_task_wait_for_death_info", "0"),
    literal("RAY_gcs_server_request_timeout_seconds", "5"),
    # The proxies' key-value store: short, so that they answer health checks while GCS is away.
    literal("RAY_SERVE_KV_TIMEOUT_S", "5"),
)


def head_env(cluster: Cluster, options: BuildOptions, start: str) -> Env:
    """Return the environment of the head's Ray container; `start` is the bare start command."""
    env = own_env(cluster.head.ray_container)
    if cluster.has_autoscaler and cluster.autoscaler_version:
        chosen = "true" if cluster.autoscaler_version == "v2" else "false"
        env = with_forced(env, [literal("RAY_enable_autoscaler_v2", chosen)])
    env = with_defaults(env, fault_tolerance.head_env(cluster))
    env = _with_common(env, cluster, options, start)
    env = with_defaults(
        env,
        [
            literal("RAY_ADDRESS", f"127.0.0.1:{cluster.head_port}"),
            literal("RAY_USAGE_STATS_KUBERAY_IN_USE", "1"),
        ],
    )
    tags = f"kuberay_version={options.version};kuberay_crd={cluster.origin}"
    env = with_forced(env, [literal("RAY_USAGE_STATS_EXTRA_TAGS", tags)])
    return _with_last(env, cluster, options)


def worker_env(cluster: Cluster, group: Group, options: BuildOptions, start: str) -> Env:
    """Return the environment of a worker's Ray container; `start` is the bare start command."""
    env = own_env(group.ray_container)
    env = with_defaults(env, fault_tolerance.worker_env(cluster))
    env = _with_common(env, cluster, options, start, head_address_env(cluster, options))
    env = with_defaults(
        env,
        [
            literal("RAY_ADDRESS", cluster.head_address(options.cluster_domain)),
            literal("RAY_USAGE_STATS_KUBERAY_IN_USE", "1"),
        ],
    )
    return _with_last(env, cluster, options)


def head_address_env(cluster: Cluster, options: BuildOptions) -> Env:
    """Return where the head is, for workers and every init container."""
    host = cluster.head_host(options.cluster_domain)
    return (literal("FQ_RAY_IP", host), literal("RAY_IP", host.split(".", 1)[0]))


def _with_common(
    env: Env,
    cluster: Cluster,
    options: BuildOptions,
    start: str,
    address: Env = (),
) -> Env:
    env = with_defaults(env, authentication.env(cluster, options))
    env = with_defaults(env, options.default_env)
    env = with_forced(
        env,
        [
            *address,
            from_label("RAY_CLUSTER_NAME", "ray.io/cluster"),
            from_field("RAY_CLUSTER_NAMESPACE", "metadata.namespace"),
            from_field("RAY_CLOUD_INSTANCE_ID", "metadata.name"),
            from_label("RAY_NODE_TYPE_NAME", "ray.io/group"),
            literal(START_COMMAND, start),
        ],
    )
    env = with_defaults(env, [literal("RAY_PORT", str(cluster.head_port))])
    return with_defaults(env, _SERVE_DEFAULTS) if cluster.serves else env


def _with_last(env: Env, cluster: Cluster, options: BuildOptions) -> Env:
    env = with_defaults(env, [literal("RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE", "1")])
    return with_defaults(env, termination.env(cluster, options))
