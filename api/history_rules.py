"""Rules about the collector that feeds a history server."""

from collections.abc import Mapping

from ray_operator.api.gates import RAY_CLUSTER_HISTORY_SERVER
from ray_operator.api.problems import Problem, Problems
from ray_operator.api.raycluster_facts import ClusterFacts, env_by_name
from ray_operator.api.values import describe
from ray_operator.operator.documents import JsonObject, get_object, get_text

COLLECTOR = "ray-history-collector"
_SET_BY_OPERATOR = (
    "POD_IP",
    "FQ_RAY_IP",
    "RAY_CLUSTER_NAME",
    "RAY_CLUSTER_NAMESPACE",
    "RAY_ROLE",
    "OWNER_KIND",
    "OWNER_NAME",
    "EVENTS_PORT",
)
_BACKEND = "STORAGE_BACKEND"
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "GCS": ("GCS_BUCKET",),
    "S3": ("S3_REGION",),
    "ALIYUNOSS": ("OSS_BUCKET", "OSS_ENDPOINT", "OSS_REGION"),
}
_AZURE_CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"
_AZURE_ACCOUNT = "AZURE_STORAGE_ACCOUNT_URL"


def find_history_problems(cluster: ClusterFacts) -> Problems:
    """Check `historyServerOptions`, if there are any."""
    if "historyServerOptions" not in cluster.spec:
        return
    field = f"{cluster.path}.historyServerOptions"
    if not cluster.is_on(RAY_CLUSTER_HISTORY_SERVER):
        yield Problem(field, f"needs the gate {RAY_CLUSTER_HISTORY_SERVER}")
    options = get_object(cluster.spec, "historyServerOptions")
    if "collectorOptions" not in options:
        yield Problem(f"{field}.collectorOptions", "expected an object, found nothing")
    collector = get_object(options, "collectorOptions")
    if not get_text(collector, "image"):
        found = describe(collector.get("image"))
        yield Problem(f"{field}.collectorOptions.image", f"expected an image, found {found}")
    yield from _find_env_problems(env_by_name(collector), f"{field}.collectorOptions.env")
    yield from _find_taken_name(cluster)


def _find_env_problems(env: Mapping[str, JsonObject], field: str) -> Problems:
    for name in _SET_BY_OPERATOR:
        if name in env:
            yield Problem(f"{field}[{name}]", "is set by the operator, found it in the manifest")
    backend = get_text(env.get(_BACKEND, {}), "value")
    if not backend:
        yield Problem(
            f"{field}[{_BACKEND}]",
            "expected the kind of storage as a value, such as S3 or GCS, found none",
        )
    yield from _find_backend_problems(env, backend.upper(), field)


def _find_backend_problems(env: Mapping[str, JsonObject], backend: str, field: str) -> Problems:
    for name in _NEEDED.get(backend, ()):
        if not _is_given(env, name):
            yield Problem(f"{field}[{name}]", f"is needed with {_BACKEND} {backend}, found nothing")
    if backend != "AZUREBLOB":
        return
    choices = _azure_choices(get_text(env.get("AZURE_STORAGE_AUTH_MODE", {}), "value"))
    if not any(_is_given(env, name) for name in choices):
        yield Problem(
            f"{field}[{choices[0]}]",
            f"expected {' or '.join(choices)} with {_BACKEND} {backend}, found neither",
        )


def _azure_choices(mode: str) -> tuple[str, ...]:
    match mode.strip().lower():
        case "connection_string":
            return (_AZURE_CONNECTION,)
        case "workload_identity" | "default":
            return (_AZURE_ACCOUNT,)
        case _:
            return (_AZURE_CONNECTION, _AZURE_ACCOUNT)


def _is_given(env: Mapping[str, JsonObject], name: str) -> bool:
    entry = env.get(name, {})
    return bool(entry.get("value") or entry.get("valueFrom"))


def _find_taken_name(cluster: ClusterFacts) -> Problems:
    for group in cluster.groups:
        for index, container in enumerate(group.containers):
            if get_text(container, "name") == COLLECTOR:
                yield Problem(
                    f"{group.pod_path}.containers[{index}].name",
                    f"expected another name: {COLLECTOR} is the collector's",
                )
