"""Ray's autoscaler: the sidecar on the head, and what it may do (raycluster.md 5.9, 12)."""

from ray_operator.api import labels, names
from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.controllers.manifests import authentication, volumes
from ray_operator.controllers.manifests.cluster import Cluster
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.start_command import shell
from ray_operator.controllers.manifests.variables import (
    from_field,
    from_label,
    literal,
    with_defaults,
)
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_items,
    get_object,
    get_objects,
    get_text,
)

CONTAINER = "autoscaler"
_METRICS_PORT = 44217
_COMMAND = (
    "ray kuberay-autoscaler --cluster-name $(RAY_CLUSTER_NAME) "
    "--cluster-namespace $(RAY_CLUSTER_NAMESPACE)"
)
_AMOUNTS: JsonObject = {"cpu": "500m", "memory": "512Mi"}
_HARDENING = (
    "allowPrivilegeEscalation",
    "runAsNonRoot",
    "runAsUser",
    "runAsGroup",
    "seccompProfile",
)


def sidecar(cluster: Cluster, options: BuildOptions) -> JsonObject:
    """Return the autoscaler's container."""
    given = cluster.autoscaler_options
    ray = cluster.head.ray_container
    own = with_defaults(_env(), authentication.env(cluster, options))
    container: dict[str, JsonValue] = {
        "name": CONTAINER,
        "image": get_text(given, "image") or get_text(ray, "image"),
        "imagePullPolicy": get_text(given, "imagePullPolicy") or "IfNotPresent",
        "command": get_items(given, "command") or shell(login=False),
        "args": get_items(given, "args") or [_COMMAND],
        "ports": [{"name": "as-metrics", "containerPort": _METRICS_PORT}],
        "env": [*own, *get_objects(given, "env")],
        "resources": given.get("resources") or {"limits": _AMOUNTS, "requests": _AMOUNTS},
        "volumeMounts": get_objects(given, "volumeMounts"),
    }
    if env_from := get_objects(given, "envFrom"):
        container["envFrom"] = env_from
    if context := given.get("securityContext") or _hardening(ray):
        container["securityContext"] = context
    mounts = (*authentication.mounts(cluster, options), volumes.ray_directory().mount)
    return volumes.with_mounts(container, mounts)


def service_account(cluster: Cluster) -> JsonObject:
    """Return the identity under which the head's pod talks to the API server."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(cluster, cluster.account_name),
    }


def role(cluster: Cluster) -> JsonObject:
    """Return what the autoscaler may do: see and patch pods, read and patch its own cluster."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": _metadata(cluster, names.autoscaler_account(cluster.name)),
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["pods"],
                "verbs": ["get", "list", "watch", "patch"],
            },
            {"apiGroups": [""], "resources": ["pods/resize"], "verbs": ["patch"]},
            {
                "apiGroups": [RAYCLUSTERS.group],
                "resources": [RAYCLUSTERS.plural],
                "resourceNames": [cluster.name],
                "verbs": ["get", "patch"],
            },
        ],
    }


def role_binding(cluster: Cluster) -> JsonObject:
    """Return what gives the role to the head's ServiceAccount."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": _metadata(cluster, names.autoscaler_account(cluster.name)),
        "subjects": [
            {
                "kind": "ServiceAccount",
                "name": cluster.account_name,
                "namespace": cluster.namespace,
            },
        ],
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": names.autoscaler_account(cluster.name),
        },
    }


def _env() -> tuple[JsonObject, ...]:
    return (
        from_label("RAY_CLUSTER_NAME", labels.CLUSTER),
        from_field("RAY_CLUSTER_NAMESPACE", "metadata.namespace"),
        from_field("RAY_HEAD_POD_NAME", "metadata.name"),
        literal("KUBERAY_CRD_VER", "v1"),
        literal("KUBERAY_GEN_AUTOSCALER_START_CMD", _COMMAND),
    )


def _hardening(ray: JsonObject) -> JsonObject:
    """Take over what restricts the Ray container, so that a strict namespace admits the sidecar.

    What widens its rights (added capabilities, privileged) stays with the Ray container.
    """
    context = get_object(ray, "securityContext")
    kept = {key: context[key] for key in _HARDENING if key in context}
    dropped = get_items(get_object(context, "capabilities"), "drop")
    return {**kept, "capabilities": {"drop": dropped}} if dropped else kept


def _metadata(cluster: Cluster, name: str) -> JsonObject:
    return {
        "name": name,
        "namespace": cluster.namespace,
        "labels": {
            labels.CLUSTER: cluster.name,
            labels.APP_NAME: labels.APP_NAME_VALUE,
            labels.CREATED_BY: labels.CREATED_BY_VALUE,
        },
    }
