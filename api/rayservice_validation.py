"""What a RayService must keep beyond its schema; the first problem is reported."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from ray_operator.api import annotations as annotation_keys
from ray_operator.api.errors import InvalidSpecError
from ray_operator.api.gates import RAY_SERVICE_INCREMENTAL_UPGRADE
from ray_operator.api.kinds import RAY_SERVICE
from ray_operator.api.metadata_rules import find_name_problems
from ray_operator.api.problems import Notice, Problem, Problems, of_error
from ray_operator.api.raycluster_facts import ClusterFacts
from ray_operator.api.raycluster_validation import find_notices as find_cluster_notices
from ray_operator.api.raycluster_validation import find_spec_problem, read_facts
from ray_operator.api.serve_config import read_serve_config
from ray_operator.api.times import parse_duration
from ray_operator.api.values import describe, get_int_or_none
from ray_operator.operator.documents import JsonObject, get_flag, get_object, get_text

NEW_CLUSTER = "NewCluster"
INCREMENTAL = "NewClusterWithIncrementalUpgrade"
RECREATE = "Recreate"
NONE = "None"
STRATEGIES = (NEW_CLUSTER, INCREMENTAL, RECREATE, NONE)

IGNORED_CLUSTER_FIELD = "IgnoredClusterField"
IGNORED_FIELDS = ("upgradeStrategy", "managedBy", "idle")
"""Fields of a RayClusterSpec that would keep the cluster of a service from ever coming up."""
_CLUSTER_PATH = "spec.rayClusterConfig"
_MOST_PERCENT = 100


@dataclass(frozen=True, slots=True)
class _Service:
    """A RayService's spec, and its cluster with the service's annotations."""

    spec: JsonObject
    cluster: ClusterFacts


def find_problem(document: JsonObject, gates: frozenset[str]) -> Problem | None:
    """Return the first problem of a RayService, or `None`.

    Args:
        document: the object as the API server keeps it.
        gates: the names of the feature gates that are on.
    """
    return next(_find_problems(document, gates), None)


def find_notices(document: JsonObject, gates: frozenset[str]) -> Iterator[Notice]:
    """Yield what a RayService does that its author may not have meant."""
    service = _read(document, gates)
    for name in IGNORED_FIELDS:
        if name in service.cluster.spec:
            yield Notice(
                IGNORED_CLUSTER_FIELD,
                f"{_CLUSTER_PATH}.{name} is ignored in a RayService",
            )
    yield from find_cluster_notices(service.cluster)


def _find_problems(document: JsonObject, gates: frozenset[str]) -> Problems:
    yield from find_name_problems(document, RAY_SERVICE)
    service = _read(document, gates)
    yield from _find_timeout_problems(service)
    yield from _find_auth_problems(service)
    problem = find_spec_problem(service.cluster)
    if problem:
        yield problem
    yield from _find_head_service_problems(service)
    yield from _find_strategy_problems(service)
    yield from _find_delay_problems(service)
    yield from _find_incremental_problems(service)
    yield from _find_config_problems(service)


def _read(document: JsonObject, gates: frozenset[str]) -> _Service:
    spec = get_object(document, "spec")
    facts = read_facts(document, gates)
    cluster = replace(
        facts,
        spec=get_object(spec, "rayClusterConfig"),
        labels={},
        path=_CLUSTER_PATH,
    )
    return _Service(spec, cluster)


def _find_timeout_problems(service: _Service) -> Problems:
    key = annotation_keys.INITIALIZING_TIMEOUT
    text = service.cluster.annotations.get(key, "")
    if not text:
        return
    duration = parse_duration(text)
    if duration is None or duration <= timedelta(0):
        yield Problem(
            f"metadata.annotations[{key}]",
            f"expected a duration such as 30m or 1h30m, or seconds, above 0, found {text!r}",
            "Metadata",
        )


def _find_auth_problems(service: _Service) -> Problems:
    if get_flag(get_object(service.cluster.spec, "authOptions"), "enableK8sTokenAuth"):
        yield Problem(
            f"{_CLUSTER_PATH}.authOptions.enableK8sTokenAuth",
            "expected only on a plain RayCluster: the operator couldn't talk to the service's own",
        )


def _find_head_service_problems(service: _Service) -> Problems:
    head = service.cluster.head
    name = get_text(get_object(head.group, "headService", "metadata"), "name")
    if name:
        yield Problem(
            f"{head.path}.headService.metadata.name",
            f"expected none, as each of the service's clusters needs a Service of its own, "
            f"found {name!r}",
        )


def _find_strategy_problems(service: _Service) -> Problems:
    found = get_object(service.spec, "upgradeStrategy").get("type")
    if found is not None and found not in STRATEGIES:
        yield Problem(
            "spec.upgradeStrategy.type",
            f"expected one of {', '.join(STRATEGIES)}, found {describe(found)}",
        )


def _find_delay_problems(service: _Service) -> Problems:
    seconds = get_int_or_none(service.spec, "rayClusterDeletionDelaySeconds")
    if seconds is not None and seconds < 0:
        yield Problem(
            "spec.rayClusterDeletionDelaySeconds",
            f"expected 0 or more seconds, found {seconds}",
        )


def _find_incremental_problems(service: _Service) -> Problems:
    strategy = get_object(service.spec, "upgradeStrategy")
    if get_text(strategy, "type") != INCREMENTAL:
        return
    if not service.cluster.is_on(RAY_SERVICE_INCREMENTAL_UPGRADE):
        return
    field = "spec.upgradeStrategy.clusterUpgradeOptions"
    if "clusterUpgradeOptions" not in strategy:
        yield Problem(field, f"expected with the type {INCREMENTAL}, found nothing")
        return
    yield from _find_step_problems(get_object(strategy, "clusterUpgradeOptions"), field)
    if not service.cluster.is_autoscaled:
        yield Problem(
            f"{_CLUSTER_PATH}.enableInTreeAutoscaling",
            f"expected true with the type {INCREMENTAL}: workers follow the capacity only then",
        )


def _find_step_problems(options: JsonObject, field: str) -> Problems:
    surge = get_int_or_none(options, "maxSurgePercent")
    most = _MOST_PERCENT if surge is None else surge
    if not 1 <= most <= _MOST_PERCENT:
        yield Problem(f"{field}.maxSurgePercent", f"expected 1 to {_MOST_PERCENT}, found {most}")
    step = get_int_or_none(options, "stepSizePercent")
    if step is None or not 1 <= step <= most:
        found = describe(step)
        yield Problem(
            f"{field}.stepSizePercent",
            f"expected 1 to maxSurgePercent ({most}), found {found}",
        )
    interval = get_int_or_none(options, "intervalSeconds")
    if interval is None or interval < 1:
        found = describe(interval)
        yield Problem(f"{field}.intervalSeconds", f"expected at least 1 second, found {found}")


def _find_config_problems(service: _Service) -> Problems:
    try:
        read_serve_config(service.spec)
    except InvalidSpecError as error:
        yield of_error(error)
