"""What a plan can ask for: a closed union, each member rendered once.

`text` of a step is what log, event and preview share.  Events of one reason are merged by the
executor's outcome, so that a pass tells of fifty workers in one event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from ray_operator.api import conditions, names
from ray_operator.api.kinds import RAY_CLUSTER
from ray_operator.controllers.manifests import authentication, pods
from ray_operator.controllers.manifests.cluster import Cluster, WorkerGroup
from ray_operator.controllers.manifests.metadata import Slot
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.raycluster.observed import HEAD_LANE, group_lane
from ray_operator.controllers.views.pod import PodView
from ray_operator.operator.documents import JsonObject, JsonValue, get_object, get_text
from ray_operator.operator.keys import Key, ObjectRef
from ray_operator.operator.notes import Note
from ray_operator.operator.resources import (
    PDBS,
    PODS,
    ROLEBINDINGS,
    ROLES,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    Resource,
)
from ray_operator.operator.steps import Step
from ray_operator.operator.writes import Create, Delete, MergePatch

TOKEN_LANE = "token"  # noqa: S105  # the lane of the Secret
_WORDS: Mapping[Resource, str] = {
    SERVICES: "Service",
    SERVICEACCOUNTS: "ServiceAccount",
    ROLES: "Role",
    ROLEBINDINGS: "RoleBinding",
    PDBS: "PodDisruptionBudget",
    SECRETS: "Secret",
}


@dataclass(frozen=True, slots=True)
class CreateHead:
    """Create the head pod."""

    name: str
    slot: Slot


@dataclass(frozen=True, slots=True)
class CreateWorker:
    """Create a pod of a worker group."""

    group: WorkerGroup
    name: str
    slot: Slot


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete a pod; `cause` says why in a few words.

    `all_pods` marks the deletion of a whole cluster's pods (suspend, Recreate); `after` names lanes
    whose steps must have succeeded before.
    """

    pod: PodView
    cause: str
    all_pods: bool = False
    after: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AnnotatePod:
    """Set annotations of a pod, or remove those whose value is `None`; nobody is told."""

    pod: PodView
    annotations: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class CreateChild:
    """Create an object from its manifest."""

    resource: Resource
    manifest: JsonObject


@dataclass(frozen=True, slots=True)
class UpdateChild:
    """Change an object that has drifted from what it should be."""

    resource: Resource
    name: str
    patch: JsonObject


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """Delete an object of ours that is no longer wanted."""

    resource: Resource
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class CreateToken:
    """Create the Secret with a fresh token; the token is made when the step is."""


Action: TypeAlias = (
    CreateHead
    | CreateWorker
    | DeletePod
    | AnnotatePod
    | CreateChild
    | UpdateChild
    | DeleteChild
    | CreateToken
)


@dataclass(frozen=True, slots=True)
class Rendering:
    """What turns actions into requests: the cluster, the installation, and a fresh token."""

    cluster: Cluster
    options: BuildOptions
    token: str
    head_needs: frozenset[str] = frozenset()
    _specs: dict[str, JsonObject] = field(default_factory=dict, init=False, repr=False)

    def spec_of(self, group: WorkerGroup) -> JsonObject:
        """Return the spec that all pods of a worker group share, worked out once."""
        if group.name not in self._specs:
            self._specs[group.name] = pods.worker_spec(self.cluster, group, self.options)
        return self._specs[group.name]


def child_lane(resource: Resource, name: str) -> str:
    """Return the lane in which one child object is kept up."""
    return f"{resource.plural}/{name}"


def render(action: Action, how: Rendering) -> Step:  # noqa: PLR0911  # one return a member
    """Turn an action into the step that the executor sends."""
    cluster = how.cluster
    match action:
        case CreateHead(name, slot):
            manifest = pods.head_pod(cluster, name, slot, how.options)
            return _creation("HeadPod", name, manifest, HEAD_LANE, how.head_needs)
        case CreateWorker(group, name, slot):
            spec = how.spec_of(group)
            manifest = pods.worker_pod(cluster, group, name, slot, how.options, spec)
            return _creation("WorkerPod", name, manifest, group_lane(group.name))
        case DeletePod(pod, cause, all_pods, after):
            return _deletion(pod, cause, "Pod" if all_pods else _pod_word(pod), after)
        case AnnotatePod(pod, annotations):
            return _annotation(pod, annotations)
        case CreateChild(resource, manifest):
            return _child_creation(resource, manifest, cluster)
        case UpdateChild(resource, name, patch):
            return _child_update(resource, name, patch, cluster)
        case DeleteChild(resource, name, uid):
            return _child_deletion(resource, name, uid, cluster)
        case CreateToken():
            secret = authentication.secret(cluster, how.token)
            name = names.auth_secret(cluster.name)
            return Step(
                text=f"create Secret {name} with a token",
                write=Create(SECRETS, secret),
                lane=TOKEN_LANE,
                done=Note("Normal", "CreatedSecret", "Create", f"Created Secret {name}"),
                failed=Note("Warning", "FailedToCreateSecret", "Create", f"Secret {name}"),
            )
        case _:
            assert_never(action)


def failure_reason(action: Action) -> str | None:
    """Return the reason of ReplicaFailure if the action fails; `None`: it is about no pod."""
    match action:
        case CreateHead():
            return conditions.FAILED_CREATE_HEAD_POD
        case CreateWorker():
            return conditions.FAILED_CREATE_WORKER_POD
        case DeletePod(_, _, True):
            return conditions.FAILED_DELETE_ALL_PODS
        case DeletePod(pod):
            return (
                conditions.FAILED_DELETE_HEAD_POD
                if pod.is_head
                else conditions.FAILED_DELETE_WORKER_POD
            )
        case AnnotatePod() | CreateChild() | UpdateChild() | DeleteChild() | CreateToken():
            return None
        case _:
            assert_never(action)


def lane_of(pod: PodView) -> str:
    """Return the lane of the group that a pod belongs to."""
    return HEAD_LANE if pod.is_head else group_lane(pod.group)


def _pod_word(pod: PodView) -> str:
    return "HeadPod" if pod.is_head else "WorkerPod"


def _creation(
    word: str,
    name: str,
    manifest: JsonObject,
    lane: str,
    needs: frozenset[str] = frozenset(),
) -> Step:
    return Step(
        text=f"create {_spoken(word)} {name}",
        write=Create(PODS, manifest),
        lane=lane,
        needs=needs,
        done=Note("Normal", f"Created{word}", "Create", f"Created {_spoken(word)} {name}"),
        failed=Note("Warning", f"FailedToCreate{word}", "Create", f"{_spoken(word)} {name}"),
    )


def _deletion(pod: PodView, cause: str, word: str, after: frozenset[str]) -> Step:
    said = f"{_spoken(word)} {pod.name}: {cause}"
    refused = "FailedToDeletePodCollection" if word == "Pod" else f"FailedToDelete{word}"
    return Step(
        text=f"delete {said}",
        write=Delete(PODS, pod.key, uid=pod.uid),
        lane=lane_of(pod),
        needs=after,
        done=Note("Normal", f"Deleted{word}", "Delete", f"Deleted {said}"),
        failed=Note("Warning", refused, "Delete", said),
    )


def _annotation(pod: PodView, annotations: Mapping[str, str | None]) -> Step:
    values: dict[str, JsonValue] = dict(annotations)
    return Step(
        text=f"annotate pod {pod.name}",
        write=MergePatch(PODS, pod.key, {"metadata": {"annotations": values}}),
        lane=f"annotations/{pod.name}",
    )


def _child_creation(resource: Resource, manifest: JsonObject, cluster: Cluster) -> Step:
    name = get_text(get_object(manifest, "metadata"), "name")
    word, said = _WORDS[resource], f"{_WORDS[resource]} {cluster.namespace}/{name}"
    return Step(
        text=f"create {said}",
        write=_create(resource, manifest, cluster),
        lane=child_lane(resource, name),
        # Who may bind only what he has himself is refused until the Role is there.
        needs=frozenset({child_lane(ROLES, name)} if resource == ROLEBINDINGS else ()),
        done=Note("Normal", f"Created{word}", "Create", f"Created {said}"),
        failed=Note("Warning", f"FailedToCreate{word}", "Create", said),
    )


def _create(resource: Resource, manifest: JsonObject, cluster: Cluster) -> Create:
    """Make it ours; a ServiceAccount of that name that exists already is as good as ours."""
    if resource != SERVICEACCOUNTS:
        return Create(resource, manifest)
    metadata = get_object(manifest, "metadata")
    owned: JsonObject = {**metadata, "ownerReferences": [_owner_reference(cluster)]}
    return Create(resource, {**manifest, "metadata": owned}, owned=False)


def _owner_reference(cluster: Cluster) -> JsonObject:
    ref = ObjectRef(
        api_version=RAY_CLUSTER.api_version,
        kind=RAY_CLUSTER.name,
        namespace=cluster.namespace,
        name=cluster.name,
        uid=cluster.uid,
    )
    return ref.owner_reference()


def _child_update(resource: Resource, name: str, patch: JsonObject, cluster: Cluster) -> Step:
    word, said = _WORDS[resource], f"{_WORDS[resource]} {cluster.namespace}/{name}"
    return Step(
        text=f"update {said}",
        write=MergePatch(resource, Key(cluster.namespace, name), patch),
        lane=child_lane(resource, name),
        done=Note("Normal", f"Updated{word}", "Update", f"Updated {said}"),
        failed=Note("Warning", f"FailedToUpdate{word}", "Update", said),
    )


def _child_deletion(resource: Resource, name: str, uid: str, cluster: Cluster) -> Step:
    word, said = _WORDS[resource], f"{_WORDS[resource]} {cluster.namespace}/{name}"
    return Step(
        text=f"delete {said}",
        write=Delete(resource, Key(cluster.namespace, name), uid=uid),
        lane=child_lane(resource, name),
        done=Note("Normal", f"Deleted{word}", "Delete", f"Deleted {said}"),
        failed=Note("Warning", f"FailedToDelete{word}", "Delete", said),
    )


def _spoken(word: str) -> str:
    return {"HeadPod": "head pod", "WorkerPod": "worker pod", "Pod": "pod"}[word]
