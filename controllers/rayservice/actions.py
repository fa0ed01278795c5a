"""What a plan may ask for: a closed union of frozen values, and each as the write that does it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from ray_operator.api import annotations, labels
from ray_operator.api.times import format_time
from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.controllers.rayservice.recorded import Submitted
from ray_operator.controllers.views.pod import PodView
from ray_operator.operator.documents import JsonObject, get_object, get_text
from ray_operator.operator.keys import Key, ObjectRef
from ray_operator.operator.notes import Note
from ray_operator.operator.resources import PODS, SERVICES
from ray_operator.operator.steps import Step
from ray_operator.operator.writes import Create, Delete, MergePatch, Write

LABELS = "pod labels"
SERVE_SERVICE = "serve service"
HEAD_SERVICES = "head services"


@dataclass(frozen=True, slots=True)
class CreateCluster:
    """Create the RayCluster whose name stands in the status."""

    manifest: JsonObject


@dataclass(frozen=True, slots=True)
class AnnotateCluster:
    """Write annotations on a RayCluster; None removes one.  `event` says it to the user."""

    cluster: ObjectRef
    texts: Mapping[str, str | None]
    why: str
    event: Note | None = None


@dataclass(frozen=True, slots=True)
class AppendGroups:
    """Add worker groups to a RayCluster, unless it changed since it was seen."""

    cluster: ObjectRef
    groups: tuple[JsonObject, ...]
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ScheduleDeletion:
    """Write on a RayCluster since when it has no part in the service, and when it may go."""

    cluster: ObjectRef
    left: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class DeleteCluster:
    """Delete a RayCluster, its pods in the background."""

    cluster: ObjectRef
    why: str


@dataclass(frozen=True, slots=True)
class LabelPod:
    """Let a pod into the traffic, or take it out."""

    pod: PodView
    serves: bool


@dataclass(frozen=True, slots=True)
class CreateService:
    """Create a Service of the RayService."""

    manifest: JsonObject
    lane: str


@dataclass(frozen=True, slots=True)
class PatchService:
    """Make a Service what it should be."""

    key: Key
    patch: JsonObject
    lane: str
    why: str


@dataclass(frozen=True, slots=True)
class DeleteService:
    """Delete a Service that is not needed any more."""

    key: Key
    uid: str


@dataclass(frozen=True, slots=True)
class Submit:
    """Hand a Serve config to Ray; not a write of ours, and never waited for."""

    cluster: ObjectRef
    config: JsonObject
    config_hash: str
    why: str
    event: Note | None = None


Action = (
    CreateCluster
    | AnnotateCluster
    | AppendGroups
    | ScheduleDeletion
    | DeleteCluster
    | LabelPod
    | CreateService
    | PatchService
    | DeleteService
    | Submit
)


def record_submission(cluster: ObjectRef, submitted: Submitted) -> AnnotateCluster:
    """Return the action that writes down that Ray took a config."""
    return AnnotateCluster(
        cluster,
        {annotations.SERVE_CONFIG_SUBMITTED: submitted.as_text()},
        why="Ray accepted the Serve config",
        event=Note(
            "Normal",
            "UpdatedServeApplications",
            "Update",
            f"Ray accepted Serve config {submitted.config_hash} on RayCluster {cluster.name}",
        ),
    )


def steps_of(actions: Iterable[Action]) -> tuple[Step, ...]:
    """Return the actions that are writes as the executor takes them, in order."""
    steps = (_step(action) for action in actions)
    return tuple(step for step in steps if step is not None)


def _step(action: Action) -> Step | None:
    match action:
        case CreateCluster() | AnnotateCluster() | AppendGroups():
            return _cluster_step(action)
        case ScheduleDeletion() | DeleteCluster():
            return _ending_step(action)
        case LabelPod():
            return _label_step(action)
        case CreateService() | PatchService() | DeleteService():
            return _service_step(action)
        case Submit():
            return None
        case _:
            assert_never(action)


def _cluster_step(action: CreateCluster | AnnotateCluster | AppendGroups) -> Step:
    match action:
        case CreateCluster(manifest):
            name = get_text(get_object(manifest, "metadata"), "name")
            text = f"create RayCluster {name}"
            return _noted(text, Create(RAYCLUSTERS, manifest), "Create", name)
        case AnnotateCluster(cluster, texts, why, event):
            patch: JsonObject = {"metadata": {"annotations": dict(texts)}}
            text = f"annotate RayCluster {cluster.name}: {why}"
            write = MergePatch(RAYCLUSTERS, cluster.key, patch)
            return Step(text, write, _lane(cluster.name), done=event)
        case AppendGroups(cluster, groups, texts):
            body: JsonObject = {
                "metadata": {"annotations": dict(texts)},
                "spec": {"workerGroupSpecs": groups},
            }
            write = MergePatch(
                RAYCLUSTERS, cluster.key, body, resource_version=cluster.resource_version
            )
            text = f"add worker groups to RayCluster {cluster.name}"
            return _noted(text, write, "Update", cluster.name)


def _ending_step(action: ScheduleDeletion | DeleteCluster) -> Step:
    key = action.cluster.key
    match action:
        case ScheduleDeletion(cluster, left, at):
            texts: JsonObject = {
                annotations.LEFT_TRAFFIC_AT: format_time(left),
                annotations.DELETE_AFTER: format_time(at),
            }
            text = f"let RayCluster {cluster.name} live until {format_time(at)}"
            patch = MergePatch(RAYCLUSTERS, key, {"metadata": {"annotations": texts}})
            return Step(text, patch, _lane(cluster.name))
        case DeleteCluster(cluster, why):
            text = f"delete RayCluster {cluster.name}: {why}"
            return _noted(text, Delete(RAYCLUSTERS, key, uid=cluster.uid), "Delete", cluster.name)


def _label_step(action: LabelPod) -> Step:
    pod = action.pod
    value = labels.TRUE if action.serves else labels.FALSE
    verb = "let" if action.serves else "take"
    text = f"{verb} pod {pod.name} {'into' if action.serves else 'out of'} the traffic"
    patch: JsonObject = {"metadata": {"labels": {labels.SERVE: value}}}
    head = "HeadPodServeLabel"
    return Step(
        text,
        MergePatch(PODS, pod.key, patch),
        LABELS,
        done=Note("Normal", f"Updated{head}", "Update", text) if pod.is_head else None,
        failed=Note("Warning", f"FailedToUpdate{head}", "Update", text) if pod.is_head else None,
    )


def _service_step(action: CreateService | PatchService | DeleteService) -> Step:
    match action:
        case CreateService(manifest, lane):
            name = get_text(get_object(manifest, "metadata"), "name")
            return _service(f"create Service {name}", Create(SERVICES, manifest), lane)
        case PatchService(key, patch, lane, why):
            text = f"update Service {key.name}: {why}"
            return _service(text, MergePatch(SERVICES, key, patch), lane)
        case DeleteService(key, uid):
            text = f"delete Service {key.name}"
            return _service(text, Delete(SERVICES, key, uid=uid), HEAD_SERVICES)


def _service(text: str, write: Write, lane: str) -> Step:
    """The head's Services follow the serve Service: requests first, dashboards after."""
    verb = text.split(maxsplit=1)[0].capitalize()
    return Step(
        text,
        write,
        lane,
        needs=frozenset({SERVE_SERVICE}) if lane == HEAD_SERVICES else frozenset(),
        done=Note("Normal", f"{verb}dService", verb, text),
        failed=Note("Warning", f"FailedTo{verb}Service", verb, text),
    )


def _lane(cluster: str) -> str:
    """One lane a cluster: a new one that a quota refuses must not keep an old one from going."""
    return f"clusters/{cluster}"


def _noted(text: str, write: Write, verb: str, cluster: str) -> Step:
    return Step(
        text,
        write,
        _lane(cluster),
        done=Note("Normal", f"{verb}dRayCluster", verb, text),
        failed=Note("Warning", f"FailedTo{verb}RayCluster", verb, text),
    )
