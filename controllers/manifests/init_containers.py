"""The init container that holds a worker back until the head answers (raycluster.md 5.8)."""

from ray_operator.controllers.manifests import authentication, volumes
from ray_operator.controllers.manifests.cluster import Cluster, Group
from ray_operator.controllers.manifests.environment import head_address_env
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.start_command import shell
from ray_operator.controllers.manifests.variables import own_env, with_defaults, with_forced
from ray_operator.operator.documents import JsonObject, JsonValue, get_object

WAIT_GCS_READY = "wait-gcs-ready"
_CPU = "200m"
_MEMORY_REQUEST = "256Mi"
"""What `ray health-check` needs; no limit by itself: large images need more (#2735)."""
_INHERITED = ("image", "imagePullPolicy", "securityContext", "volumeMounts")
_SCRIPT = """\
while true; do
  if [ "$SECONDS" -lt 120 ]; then
    ray health-check --address {address} >/dev/null 2>&1 && exit 0
    echo "$SECONDS s: no answer yet from the head at {address}"
  else
    ray health-check --address {address} && exit 0
    echo "$SECONDS s: still no answer from the head at {address}; see what the check printed above"
  fi
  sleep 5
done
"""


def wait_gcs_ready(cluster: Cluster, group: Group, options: BuildOptions) -> JsonObject:
    """Return the init container: it ends when GCS answers and never gives up.

    It takes what it needs from the Ray container *as the user wrote it*.
    """
    ray = group.ray_container
    script = _SCRIPT.format(address=cluster.head_address(options.cluster_domain))
    env = with_defaults(own_env(ray), authentication.env(cluster, options))
    container: dict[str, JsonValue] = {
        "name": WAIT_GCS_READY,
        **{key: ray[key] for key in _INHERITED if key in ray},
        "command": shell(login=options.login_shell),
        "args": [script],
        "env": with_forced(env, head_address_env(cluster, options)),
        "resources": options.init_container_resources or _resources(ray),
    }
    return volumes.with_mounts(container, authentication.mounts(cluster, options))


def with_head_address(
    container: JsonObject,
    cluster: Cluster,
    options: BuildOptions,
) -> JsonObject:
    """Return a user's init container that knows where the head is."""
    env = with_forced(own_env(container), head_address_env(cluster, options))
    return {**container, "env": env}


def _resources(ray: JsonObject) -> JsonObject:
    """Requests equal limits, as the pod's quality of service would suffer otherwise."""
    limit = get_object(get_object(ray, "resources"), "limits").get("memory")
    if limit is None:
        return {
            "limits": {"cpu": _CPU},
            "requests": {"cpu": _CPU, "memory": _MEMORY_REQUEST},
        }
    amounts: JsonObject = {"cpu": _CPU, "memory": limit}
    return {"limits": amounts, "requests": amounts}
