"""What a RayService asks for, in our own words.

`read_desired` is the only place that knows the paths of a RayServiceSpec.  It does not fail: a spec
that breaks a rule comes back as the error that says which, and whoever plans keeps to what was
valid before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from ray_operator.api import annotations, gates, labels
from ray_operator.api.depth_rules import find_depth_problem
from ray_operator.api.errors import InvalidSpecError
from ray_operator.api.hashes import serve_config_hash, spec_hash
from ray_operator.api.problems import Notice, Problem, of_error
from ray_operator.api.rayservice_validation import IGNORED_FIELDS, find_notices, find_problem
from ray_operator.api.serve_config import (
    applications_of,
    find_source,
    http_port,
    is_legacy,
    read_serve_config,
)
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator.documents import (
    JsonObject,
    get_flag,
    get_int,
    get_object,
    get_objects,
    get_text,
)

DEFAULT_DELETION_DELAY = timedelta(seconds=60)
"""Longer than kube-proxy needs to follow a switch, and than most requests take."""
DEFAULT_DRAIN_TIMEOUT = timedelta(seconds=600)
"""How long a request in flight may hold up the end of a cluster that left the traffic."""


DEFAULT_APPLICATION_THRESHOLD = timedelta(seconds=900)
DEFAULT_DASHBOARD_THRESHOLD = timedelta(seconds=300)
"""Those of the sample that users know (rayservice.md, ruling 7)."""

_MOST_SECONDS = 2**31 - 1
"""What the schema lets through; a date so many seconds from now can still be written."""


class Strategy(StrEnum):
    """How a changed cluster spec is brought about."""

    NEW_CLUSTER = "NewCluster"
    INCREMENTAL = "NewClusterWithIncrementalUpgrade"
    RECREATE = "Recreate"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class Options:
    """What an installation decides about all RayServices."""

    build: BuildOptions = field(default_factory=BuildOptions)
    gates: frozenset[str] = gates.DEFAULT
    zero_downtime: bool = True
    head_alias_service: bool = True
    health_replacement: bool = True


@dataclass(frozen=True, slots=True)
class Desired:
    """A valid spec.

    `serve_config` is canonical, None if there are no applications; `serve_field` is where it came
    from.  `cluster_spec` is what a RayCluster is built from.  `notices` are what the author may not
    have meant.  The thresholds say how long something may be ill before the cluster is replaced,
    None for ever.
    """

    cluster_spec: JsonObject
    spec_hash: str
    serve_config: JsonObject | None
    serve_hash: str
    strategy: Strategy
    asked_strategy: str = ""
    notices: tuple[Notice, ...] = ()
    is_legacy: bool = False
    serve_field: str = "spec.serveConfigV2"
    serve_service: JsonObject = field(default_factory=dict)
    excludes_head: bool = False
    deletion_delay: timedelta = DEFAULT_DELETION_DELAY
    drain_timeout: timedelta = DEFAULT_DRAIN_TIMEOUT
    application_threshold: timedelta | None = DEFAULT_APPLICATION_THRESHOLD
    dashboard_threshold: timedelta | None = DEFAULT_DASHBOARD_THRESHOLD

    @property
    def groups(self) -> tuple[JsonObject, ...]:
        """The worker groups, as written."""
        return get_objects(self.cluster_spec, "workerGroupSpecs")

    @property
    def replicas(self) -> dict[str, int]:
        """How many replicas each worker group asks for."""
        return {get_text(g, "groupName"): get_int(g, "replicas") for g in self.groups}

    @property
    def serve_port(self) -> int | None:
        """The port that the Serve config chooses for HTTP, if it does."""
        return http_port(self.serve_config or {})

    def hash_of_first(self, groups: int) -> str:
        """Return the spec's hash as if it had only its first worker groups."""
        return spec_hash(self.cluster_spec, groups)


def read_desired(service: ResourceView, options: Options) -> Desired | Problem:
    """Read a RayService's spec; the first problem if it breaks a rule."""
    spec = service.spec()
    document: JsonObject = {
        "metadata": {
            "name": service.name,
            "namespace": service.namespace,
            "labels": service.labels,
            "annotations": service.annotations,
        },
        "spec": spec,
    }
    too_deep = find_depth_problem(spec, service.spec_bytes)
    if problem := too_deep or find_problem(document, options.gates):
        return problem
    try:
        config = read_serve_config(spec)
    except InvalidSpecError as error:
        return of_error(error)
    notices = tuple(find_notices(document, options.gates))
    return replace(_read_valid(spec, config, options), notices=notices)


def _read_valid(spec: JsonObject, config: JsonObject, options: Options) -> Desired:
    has_applications = bool(applications_of(config))
    asked = get_text(get_object(spec, "upgradeStrategy"), "type")
    whole = get_object(spec, "rayClusterConfig")
    cluster_spec = {key: value for key, value in whole.items() if key not in IGNORED_FIELDS}
    return Desired(
        cluster_spec=cluster_spec,
        spec_hash=spec_hash(cluster_spec),
        serve_config=config if has_applications else None,
        serve_hash=serve_config_hash(config) if has_applications else "",
        strategy=_strategy(asked, options),
        asked_strategy=asked,
        is_legacy=is_legacy(spec),
        serve_field=f"spec.{find_source(spec)}",
        serve_service=get_object(spec, "serveService"),
        excludes_head=get_flag(spec, "excludeHeadPodFromServeSvc"),
        deletion_delay=_seconds(spec, "rayClusterDeletionDelaySeconds", DEFAULT_DELETION_DELAY),
        drain_timeout=_seconds(spec, "rayClusterDrainTimeoutSeconds", DEFAULT_DRAIN_TIMEOUT),
        application_threshold=_threshold(
            spec, "serviceUnhealthySecondThreshold", DEFAULT_APPLICATION_THRESHOLD
        ),
        dashboard_threshold=_threshold(
            spec, "deploymentUnhealthySecondThreshold", DEFAULT_DASHBOARD_THRESHOLD
        ),
    )


def _strategy(asked: str, options: Options) -> Strategy:
    if asked == Strategy.INCREMENTAL:
        has_gate = gates.RAY_SERVICE_INCREMENTAL_UPGRADE in options.gates
        return Strategy.INCREMENTAL if has_gate else Strategy.NONE
    if asked:
        return Strategy(asked)
    return Strategy.NEW_CLUSTER if options.zero_downtime else Strategy.NONE


def _seconds(spec: JsonObject, key: str, default: timedelta) -> timedelta:
    if key not in spec:
        return default
    return timedelta(seconds=max(-_MOST_SECONDS, min(get_int(spec, key), _MOST_SECONDS)))


def _threshold(spec: JsonObject, key: str, default: timedelta) -> timedelta | None:
    """0 and less switch a threshold off."""
    threshold = _seconds(spec, key, default)
    return threshold if threshold > timedelta() else None


def upgrades_on_replica_change(desired: Desired, texts: Mapping[str, str]) -> bool:
    """Tell whether other worker replicas are a reason for a new cluster.

    They are not, but for the manifests of the first releases, whose documents promise it
    (rayservice.md, ruling 1); an annotation decides either way.
    """
    asked = texts.get(annotations.UPGRADE_ON_REPLICA_CHANGE, "").lower()
    return asked == labels.TRUE or (desired.is_legacy and asked != labels.FALSE)
