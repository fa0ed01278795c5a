"""A RayCluster in our own words: what builders and policies may know of one.

`read_cluster` is the only place that knows the paths of a RayClusterSpec.  It applies the
operator's defaults in memory (nothing is written back): absent parameters are empty, their values
are text, `numOfHosts: 0` counts as 1.  It never fails: rules judge a spec elsewhere
(`ray_operator.api.raycluster_validation`), and a status must be computable for an invalid one, too.

It reads field by field, not by a model of `ray_operator.api.v1`: a model takes a spec or refuses it
as a whole, and one odd field must not make the groups of a running cluster disappear from its
status, nor move the ports of a Service that carries traffic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from ray_operator.api import annotations, labels, names
from ray_operator.api.hashes import head_pod_hash, spec_hash, worker_pod_hash
from ray_operator.api.kinds import RAY_CLUSTER, RAY_JOB, RAY_SERVICE
from ray_operator.api.scaling import MOST_REPLICAS, desired_replicas, hosts_of
from ray_operator.api.values import as_text
from ray_operator.api.versions import is_at_least
from ray_operator.controllers.manifests.ports import GCS_SERVER, Port, infer_ports, param_port
from ray_operator.operator.documents import (
    JsonObject,
    get_flag,
    get_int,
    get_items,
    get_object,
    get_objects,
    get_text,
    get_texts,
)

Origin = Literal["RayCluster", "RayJob", "RayService"]

AUTOSCALER_V2_SINCE = "2.47"
"""From this release Ray runs its second autoscaler unless told otherwise."""


class FaultTolerance(StrEnum):
    """Where GCS keeps its state so that a new head finds it."""

    NONE = "none"
    REDIS = "redis"
    ROCKSDB = "rocksdb"


class Authentication(StrEnum):
    """How callers prove themselves to Ray."""

    NONE = "none"
    TOKEN = "token"  # noqa: S105  # a mode, not a secret
    KUBERNETES = "kubernetes"


class UpgradeStrategy(StrEnum):
    """What happens to running pods when the spec changes."""

    NONE = "None"
    RECREATE = "Recreate"
    ROLLING_UPDATE = "RollingUpdate"


_STRATEGIES: Mapping[str, UpgradeStrategy] = {each.value: each for each in UpgradeStrategy}


@dataclass(frozen=True, slots=True)
class Group:
    """The head, or a group of workers."""

    name: str
    template: JsonObject
    start_params: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def ray_container(self) -> JsonObject:
        """The first container of the template; empty if there is none."""
        containers = get_objects(get_object(self.template, "spec"), "containers")
        return containers[0] if containers else {}

    @property
    def is_head(self) -> bool:
        """Whether this is the head's group."""
        return self.name == labels.HEAD_GROUP

    @property
    def restart_policy(self) -> str:
        """The template's restartPolicy; empty if it sets none."""
        return get_text(get_object(self.template, "spec"), "restartPolicy")


@dataclass(frozen=True, slots=True)
class WorkerGroup(Group):
    """A group of workers: replicas of one or several hosts each."""

    desired_replicas: int = 0
    """How many replicas there are to be: `replicas` within its bounds, none while suspended."""
    min_replicas: int = 0
    max_replicas: int = MOST_REPLICAS
    hosts: int = 1
    is_suspended: bool = False
    workers_to_delete: frozenset[str] = frozenset()

    @property
    def desired_pods(self) -> int:
        """How many pods there are to be."""
        return self.desired_replicas * self.hosts


@dataclass(frozen=True, slots=True)
class Stamps:
    """Hashes of what pods are made from: of the whole spec, and of each group by its name."""

    spec: str = ""
    pods: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A RayCluster; everything that a child's manifest can depend on."""

    name: str
    namespace: str
    uid: str
    head: Group
    workers: tuple[WorkerGroup, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    generation: int = 0
    spec: JsonObject = field(default_factory=dict)
    stamps: Stamps = field(default_factory=Stamps)
    serve_port: int | None = None
    """The port of the Serve configuration; known for the clusters of a RayService only."""

    # --- the spec, field by field -------------------------------------------------------------
    @property
    def ray_version(self) -> str:
        """What the user says the image holds; may be empty or wrong."""
        return get_text(self.spec, "rayVersion")

    @property
    def wants_suspend(self) -> bool:
        """Whether the user wants the pods gone."""
        return get_flag(self.spec, "suspend")

    @property
    def has_autoscaler(self) -> bool:
        """Whether Ray's autoscaler runs beside the head."""
        return get_flag(self.spec, "enableInTreeAutoscaling")

    @property
    def autoscaler_options(self) -> JsonObject:
        """`autoscalerOptions`, empty if absent."""
        return get_object(self.spec, "autoscalerOptions")

    @property
    def autoscaler_version(self) -> str:
        """`v1`, `v2`, or empty: Ray decides."""
        return get_text(self.autoscaler_options, "version")

    @property
    def fault_tolerance_options(self) -> JsonObject:
        """`gcsFaultToleranceOptions`, empty if absent."""
        return get_object(self.spec, "gcsFaultToleranceOptions")

    @property
    def auth_options(self) -> JsonObject:
        """`authOptions`, empty if absent."""
        return get_object(self.spec, "authOptions")

    @property
    def service_type(self) -> str:
        """The type of the head's Services; empty means ClusterIP."""
        return get_text(get_object(self.spec, "headGroupSpec"), "serviceType")

    @property
    def head_service_template(self) -> JsonObject:
        """The user's own `headService`, empty if absent."""
        return get_object(get_object(self.spec, "headGroupSpec"), "headService")

    @property
    def head_service_annotations(self) -> Mapping[str, str]:
        """What the head Service is to be annotated with."""
        return get_texts(self.spec, "headServiceAnnotations")

    @property
    def upgrade_strategy(self) -> UpgradeStrategy:
        """`upgradeStrategy.type`; unset means that running pods are left alone."""
        text = get_text(get_object(self.spec, "upgradeStrategy"), "type")
        return _STRATEGIES.get(text, UpgradeStrategy.NONE)

    # --- what follows from it -----------------------------------------------------------------
    @property
    def origin(self) -> Origin:
        """The kind of the top-level object that this cluster belongs to."""
        match self.labels.get(labels.ORIGINATED_FROM_CRD):
            case RAY_SERVICE.name:
                return "RayService"
            case RAY_JOB.name:
                return "RayJob"
            case _:
                return "RayCluster"

    @property
    def serves(self) -> bool:
        """Whether a RayService runs Serve on this cluster."""
        return self.origin == RAY_SERVICE.name

    @property
    def is_plain(self) -> bool:
        """Whether the user made this cluster, not a RayJob or RayService."""
        return self.origin == RAY_CLUSTER.name

    @property
    def ports(self) -> tuple[Port, ...]:
        """The head's ports, declared and inferred, sorted by name."""
        return infer_ports(self.head.ray_container, self.head.start_params, self.serve_port)

    @property
    def head_service_name(self) -> str:
        """The name of the Service in front of the head."""
        own = get_text(get_object(self.head_service_template, "metadata"), "name")
        return own or names.head_service(self.name)

    @property
    def head_port(self) -> int:
        """The port on which GCS listens."""
        return param_port(self.head.start_params, GCS_SERVER)

    def head_host(self, domain: str) -> str:
        """Return the name under which workers reach the head."""
        return f"{self.head_service_name}.{self.namespace}.svc.{domain}"

    def head_address(self, domain: str) -> str:
        """Return host and port of GCS, as `ray start --address` takes it."""
        return f"{self.head_host(domain)}:{self.head_port}"

    @property
    def multi_host(self) -> bool:
        """Whether some replica spans several pods."""
        return any(group.hosts > 1 for group in self.workers)

    @property
    def desired_workers(self) -> int:
        """How many worker pods there are to be."""
        return sum(group.desired_pods for group in self.workers)

    def worker_group(self, name: str) -> WorkerGroup | None:
        """Return the worker group of that name."""
        return next((group for group in self.workers if group.name == name), None)

    @property
    def fault_tolerance(self) -> FaultTolerance:
        """Which backend keeps GCS's state (raycluster.md 13: four ways to ask for it)."""
        if self.fault_tolerance_options:
            rocksdb = get_text(self.fault_tolerance_options, "backend") == FaultTolerance.ROCKSDB
            return FaultTolerance.ROCKSDB if rocksdb else FaultTolerance.REDIS
        pod_annotations = get_texts(get_object(self.head.template, "metadata"), "annotations")
        if _is_true(self.annotations, annotations.FT_ENABLED):
            return FaultTolerance.REDIS
        if _is_true(pod_annotations, annotations.FT_ENABLED):
            return FaultTolerance.REDIS
        if _has_env(self.head.ray_container, "RAY_REDIS_ADDRESS"):
            return FaultTolerance.REDIS
        return FaultTolerance.NONE

    @property
    def storage_namespace(self) -> str:
        """Under which name GCS keeps its state in Redis."""
        return (
            get_text(self.fault_tolerance_options, "externalStorageNamespace")
            or self.annotations.get(annotations.EXTERNAL_STORAGE_NAMESPACE, "")
            or self.uid
        )

    def authentication(self, *, token_by_default: bool) -> Authentication:
        """Return how callers prove themselves.

        Args:
            token_by_default: the operator's `--default-token-auth`.
        """
        if "authOptions" not in self.spec:
            capable = token_by_default and is_at_least(self.ray_version, "2.52.0")
            return Authentication.TOKEN if capable else Authentication.NONE
        if get_text(self.auth_options, "mode") == "disabled":
            return Authentication.NONE
        if get_flag(self.auth_options, "enableK8sTokenAuth"):
            return Authentication.KUBERNETES
        return Authentication.TOKEN

    @property
    def auth_secret_name(self) -> str:
        """The Secret with the token: the user's or ours."""
        return get_text(self.auth_options, "secretName") or names.auth_secret(self.name)

    @property
    def overwrites_command(self) -> bool:
        """Whether containers keep the user's command lines untouched."""
        return _is_true(self.annotations, annotations.OVERWRITE_CONTAINER_CMD)

    @property
    def account_name(self) -> str:
        """The head's ServiceAccount: the template's, else the one we make for the autoscaler."""
        own = get_text(get_object(self.head.template, "spec"), "serviceAccountName")
        return own or names.autoscaler_account(self.name)

    @property
    def has_own_account(self) -> bool:
        """Whether the user named the head's ServiceAccount (then we create none)."""
        return bool(get_text(get_object(self.head.template, "spec"), "serviceAccountName"))

    def forced_restart_policy(self, group: Group) -> str | None:
        """Return the restartPolicy that Ray's second autoscaler demands; `None`: the template's.

        It terminates nodes by itself and must not see them come back.
        """
        if not self.has_autoscaler:
            return None
        if self.autoscaler_version == "v2":
            return "Never"
        decides_v2 = not self.autoscaler_version and is_at_least(
            self.ray_version,
            AUTOSCALER_V2_SINCE,
        )
        return "Never" if decides_v2 and not group.restart_policy else None


@dataclass(frozen=True, slots=True)
class Identity:
    """The metadata of a RayCluster."""

    name: str
    namespace: str
    uid: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    generation: int = 0


def read_cluster(
    identity: Identity,
    spec: JsonObject,
    *,
    serve_port: int | None = None,
) -> Cluster:
    """Read a RayClusterSpec.

    Args:
        identity: the RayCluster's metadata, or that of the one to be built.
        spec: a RayCluster's `spec`, or a RayService's `rayClusterConfig`.
        serve_port: `http_options.port` of the Serve configuration, if it names one.
    """
    return Cluster(
        name=identity.name,
        namespace=identity.namespace,
        uid=identity.uid,
        labels=identity.labels,
        annotations=identity.annotations,
        generation=identity.generation,
        spec=spec,
        serve_port=serve_port,
        head=_head(get_object(spec, "headGroupSpec")),
        workers=tuple(_worker_group(group) for group in get_objects(spec, "workerGroupSpecs")),
    )


def _head(raw: JsonObject) -> Group:
    return Group(
        name=labels.HEAD_GROUP,
        template=get_object(raw, "template"),
        start_params=_texts(raw, "rayStartParams"),
        resources=_texts(raw, "resources"),
        labels=get_texts(raw, "labels"),
    )


def stamped(cluster: Cluster) -> Cluster:
    """Return the cluster with the hashes of its spec, which cost more than reading it."""
    groups = get_objects(cluster.spec, "workerGroupSpecs")
    pods = {get_text(group, "groupName"): worker_pod_hash(cluster.spec, group) for group in groups}
    pods[labels.HEAD_GROUP] = head_pod_hash(cluster.spec)
    return replace(cluster, stamps=Stamps(spec_hash(cluster.spec), pods))


def _worker_group(raw: JsonObject) -> WorkerGroup:
    strategy = get_object(raw, "scaleStrategy")
    return WorkerGroup(
        name=get_text(raw, "groupName"),
        template=get_object(raw, "template"),
        start_params=_texts(raw, "rayStartParams"),
        resources=_texts(raw, "resources"),
        labels=get_texts(raw, "labels"),
        desired_replicas=desired_replicas(raw),
        min_replicas=get_int(raw, "minReplicas"),
        max_replicas=get_int(raw, "maxReplicas", MOST_REPLICAS),
        hosts=hosts_of(raw),
        is_suspended=get_flag(raw, "suspend"),
        workers_to_delete=frozenset(map(str, get_items(strategy, "workersToDelete"))),
    )


def _texts(raw: JsonObject, key: str) -> dict[str, str]:
    """Stringify the values, as users write ports and switches without quotes."""
    values = get_object(raw, key).items()
    return {name: as_text(value) for name, value in values if value is not None}


def _is_true(mapping: Mapping[str, str], key: str) -> bool:
    return mapping.get(key, "").lower() == labels.TRUE


def _has_env(container: JsonObject, name: str) -> bool:
    return any(get_text(entry, "name") == name for entry in get_objects(container, "env"))
