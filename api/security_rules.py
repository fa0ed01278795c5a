"""Rules about authentication, isolation and encryption."""

from ray_operator.api.gates import RAY_CLUSTER_MTLS, RAY_CLUSTER_NETWORK_POLICY
from ray_operator.api.group_rules import find_policy_name_problems
from ray_operator.api.problems import Problem, Problems
from ray_operator.api.raycluster_facts import ClusterFacts, env_by_name
from ray_operator.api.values import describe, get_entries
from ray_operator.api.versions import is_at_least
from ray_operator.operator.documents import JsonObject, get_flag, get_object, get_text

TOKEN_SINCE = "2.52.0"  # noqa: S105  # a release of Ray
"""The release from which Ray can ask for tokens."""
KUBERNETES_TOKEN_SINCE = "2.55.0"  # noqa: S105  # a release of Ray
"""The release from which Ray can accept Kubernetes' own tokens."""
TLS_VOLUME = "ray-tls"
TLS_MOUNT = "/etc/ray/tls"
_TLS_ENV = ("RAY_USE_TLS", "RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT")
_CLOSED_DIRECTIONS = {"DenyAllIngress": "ingressRules", "DenyAllEgress": "egressRules"}


def find_auth_problems(cluster: ClusterFacts) -> Problems:
    """Check `authOptions`; a mode that is unset means `token`."""
    if "authOptions" not in cluster.spec:
        return
    field = f"{cluster.path}.authOptions"
    options = get_object(cluster.spec, "authOptions")
    by_kubernetes = get_flag(options, "enableK8sTokenAuth")
    if get_text(options, "mode") == "disabled":
        if by_kubernetes:
            yield Problem(
                f"{field}.enableK8sTokenAuth",
                "expected mode: token with it, found mode: disabled",
            )
        return
    minimum = KUBERNETES_TOKEN_SINCE if by_kubernetes else TOKEN_SINCE
    if not is_at_least(cluster.ray_version, minimum):
        yield Problem(
            f"{cluster.path}.rayVersion",
            f"expected at least {minimum} for this authentication, "
            f"found {describe(cluster.ray_version or None)}",
        )
    if by_kubernetes and get_text(options, "secretName"):
        yield Problem(
            f"{field}.secretName",
            "expected none with enableK8sTokenAuth, where Kubernetes makes the tokens",
        )


def find_network_problems(cluster: ClusterFacts) -> Problems:
    """Check `networkPolicy`."""
    if "networkPolicy" not in cluster.spec:
        return
    field = f"{cluster.path}.networkPolicy"
    policy = get_object(cluster.spec, "networkPolicy")
    if not cluster.is_on(RAY_CLUSTER_NETWORK_POLICY):
        yield Problem(field, f"needs the gate {RAY_CLUSTER_NETWORK_POLICY}")
    mode = get_text(policy, "mode")
    entries = get_entries(policy, "workerGroups")
    for place in ("head", "worker"):
        yield from _find_open_rules(get_object(policy, place), mode, f"{field}.{place}")
    for index, entry in enumerate(entries):
        yield from _find_open_rules(entry, mode, f"{field}.workerGroups[{index}]")
    for group in cluster.workers:
        yield from find_policy_name_problems(group)
    known = {group.name for group in cluster.workers}
    for index, entry in enumerate(entries):
        name = get_text(entry, "groupName")
        if name not in known:
            yield Problem(
                f"{field}.workerGroups[{index}].groupName",
                f"expected the name of a worker group, found {describe(name)}",
            )


def _find_open_rules(rules: JsonObject, mode: str, field: str) -> Problems:
    closed = _CLOSED_DIRECTIONS.get(mode)
    for name in ("ingressRules", "egressRules"):
        if closed and name != closed and get_entries(rules, name):
            yield Problem(
                f"{field}.{name}",
                f"expected none, as mode {mode} leaves that direction open",
            )


def find_tls_problems(cluster: ClusterFacts) -> Problems:
    """Check `tlsOptions`."""
    if "tlsOptions" not in cluster.spec:
        return
    field = f"{cluster.path}.tlsOptions"
    if not cluster.is_on(RAY_CLUSTER_MTLS):
        yield Problem(field, f"needs the gate {RAY_CLUSTER_MTLS}")
    if not get_flag(get_object(cluster.spec, "tlsOptions"), "enabled"):
        return
    for group in cluster.groups:
        yield from _find_taken_tls(group.ray_container, group.ray_container_path)
    yield from _find_taken_tls(cluster.autoscaler, f"{cluster.path}.autoscalerOptions")


def _find_taken_tls(container: JsonObject, field: str) -> Problems:
    env = env_by_name(container)
    for name in _TLS_ENV:
        if name in env:
            yield Problem(
                f"{field}.env[{name}]",
                "is set by the operator when tlsOptions are enabled, found it in the manifest",
            )
    for index, mount in enumerate(get_entries(container, "volumeMounts")):
        if get_text(mount, "name") == TLS_VOLUME or get_text(mount, "mountPath") == TLS_MOUNT:
            yield Problem(
                f"{field}.volumeMounts[{index}]",
                f"{TLS_VOLUME} at {TLS_MOUNT} is mounted by the operator when tlsOptions are "
                "enabled, found such a mount in the manifest",
            )
