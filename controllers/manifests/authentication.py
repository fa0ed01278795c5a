"""What a container needs to prove itself to Ray, and the Secret that holds the token.

raycluster.md 5.10.  The token itself is made where chance is allowed and handed in.
"""

from ray_operator.api import labels, names
from ray_operator.controllers.manifests.cluster import Authentication, Cluster
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.variables import Env, from_secret, literal
from ray_operator.operator.documents import JsonObject

TOKEN_KEY = "auth_token"  # noqa: S105  # the key's name
_VOLUME = "ray-token"
_MOUNT_PATH = "/var/run/secrets/ray.io/serviceaccount"


def mode(cluster: Cluster, options: BuildOptions) -> Authentication:
    """Return how callers prove themselves in this cluster."""
    return cluster.authentication(token_by_default=options.default_token_auth)


def needs_secret(cluster: Cluster, options: BuildOptions) -> bool:
    """Tell whether pods read a token from a Secret."""
    return mode(cluster, options) is Authentication.TOKEN


def env(cluster: Cluster, options: BuildOptions) -> Env:
    """Return the variables; defaults, as a user may have set them up by hand."""
    match mode(cluster, options):
        case Authentication.TOKEN:
            return (
                literal("RAY_AUTH_MODE", "token"),
                from_secret("RAY_AUTH_TOKEN", cluster.auth_secret_name, TOKEN_KEY),
            )
        case Authentication.KUBERNETES:
            return (
                literal("RAY_AUTH_MODE", "token"),
                literal("RAY_ENABLE_K8S_TOKEN_AUTH", "true"),
            )
        case Authentication.NONE:
            return ()


def mounts(cluster: Cluster, options: BuildOptions) -> tuple[JsonObject, ...]:
    """Return the volume mounts of a container that proves itself by its ServiceAccount."""
    if mode(cluster, options) is not Authentication.KUBERNETES:
        return ()
    return ({"name": _VOLUME, "mountPath": _MOUNT_PATH, "readOnly": True},)


def volumes(cluster: Cluster, options: BuildOptions) -> tuple[JsonObject, ...]:
    """Return the volumes that `mounts` refers to."""
    if mode(cluster, options) is not Authentication.KUBERNETES:
        return ()
    source: JsonObject = {"serviceAccountToken": {"path": "token"}}
    return ({"name": _VOLUME, "projected": {"sources": [source]}},)


def secret(cluster: Cluster, token: str) -> JsonObject:
    """Return the Secret of a cluster whose user named none; `token` is base64 of 32 bytes."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": names.auth_secret(cluster.name),
            "namespace": cluster.namespace,
            "labels": {
                labels.CLUSTER: cluster.name,
                labels.APP_NAME: labels.APP_NAME_VALUE,
                labels.CREATED_BY: labels.CREATED_BY_VALUE,
            },
        },
        "type": "Opaque",
        "stringData": {TOKEN_KEY: token},
    }
