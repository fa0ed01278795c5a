"""A pod, as far as anyone here asks."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from ray_operator.api import annotations as annotation_keys
from ray_operator.api import labels as label_keys
from ray_operator.controllers.views.ownership import Owner, controller_of
from ray_operator.operator.documents import (
    JsonObject,
    get_int,
    get_object,
    get_objects,
    get_text,
    get_texts,
    get_time,
)
from ray_operator.operator.keys import Key

_KEPT_LABELS = (
    label_keys.CLUSTER,
    label_keys.GROUP,
    label_keys.NODE_TYPE,
    label_keys.SERVE,
    label_keys.SERVE_SHARE,
    label_keys.REPLICA_INDEX,
    label_keys.REPLICA_NAME,
    label_keys.HOST_INDEX,
)
_KEPT_ANNOTATIONS = (
    annotation_keys.UPGRADE_STRATEGY_RECREATE_HASH,
    annotation_keys.KUBERAY_VERSION,
    annotation_keys.POD_SPEC_HASH,
    annotation_keys.DELETE_AFTER,
    annotation_keys.FAILED_STARTS,
)
RUNNING: Final = "Running"
PENDING: Final = "Pending"
SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"


@dataclass(frozen=True, slots=True)
class PodCondition:
    """One of a pod's conditions; `status` is `True`, `False` or `Unknown`."""

    status: str
    reason: str
    message: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class ContainerState:
    """Where a container stands: what it waits for, how it ended, how it ended last time.

    `is_init` tells an init container; `image` is the one that the pod asked for.
    """

    name: str
    image: str
    is_init: bool = False
    waiting_reason: str = ""
    waiting_message: str = ""
    is_terminated: bool = False
    terminated_reason: str = ""
    terminated_message: str = ""
    exit_code: int = 0
    last_reason: str = ""
    last_exit_code: int = 0
    restarts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PodView:
    """One pod.  `labels` and `annotations` hold only the keys that someone here reads.

    `ray_container` is the name of the container with index 0; `containers` lists init containers
    first, then the others, in the order of the pod's status.
    """

    key: Key
    uid: str
    resource_version: str
    labels: dict[str, str]
    annotations: dict[str, str]
    owner: Owner | None
    created: datetime | None
    deleted: datetime | None
    grace_seconds: int
    phase: str
    reason: str
    message: str
    ip: str
    node: str
    restart_policy: str
    ray_container: str
    ready: PodCondition | None
    scheduled: PodCondition | None
    containers: tuple[ContainerState, ...]

    @property
    def name(self) -> str:
        """The pod's name."""
        return self.key.name

    @property
    def owner_uid(self) -> str:
        """The UID of the controller; empty without one."""
        return self.owner.uid if self.owner else ""

    @property
    def cluster(self) -> str:
        """The RayCluster's name, from the label."""
        return self.labels.get(label_keys.CLUSTER, "")

    @property
    def group(self) -> str:
        """The group's name: `headgroup`, or a worker group's."""
        return self.labels.get(label_keys.GROUP, "")

    @property
    def is_head(self) -> bool:
        """Whether a head runs here."""
        return self.labels.get(label_keys.NODE_TYPE) == label_keys.HEAD

    @property
    def is_worker(self) -> bool:
        """Whether a worker runs here."""
        return self.labels.get(label_keys.NODE_TYPE) == label_keys.WORKER

    @property
    def is_terminating(self) -> bool:
        """Whether deletion has begun."""
        return self.deleted is not None

    @property
    def is_finished(self) -> bool:
        """Whether no container will run any more."""
        return self.phase in {SUCCEEDED, FAILED}

    @property
    def is_live(self) -> bool:
        """Whether the pod counts: neither finished nor on its way out."""
        return not self.is_finished and not self.is_terminating

    @property
    def is_running(self) -> bool:
        """Whether the pod's phase is Running and nobody deletes it."""
        return self.phase == RUNNING and not self.is_terminating

    @property
    def is_ready(self) -> bool:
        """Whether the pod is running and its condition Ready is True."""
        return self.is_running and self.ready is not None and self.ready.status == "True"

    @property
    def is_scheduled(self) -> bool:
        """Whether a node was found."""
        return bool(self.node)

    @property
    def created_at(self) -> float:
        """When the pod was created, in seconds since 1970; 0 if unknown."""
        return self.created.timestamp() if self.created else 0.0

    @property
    def replica_index(self) -> int | None:
        """The slot in the group; `None` if the pod carries no (valid) index."""
        text = self.labels.get(label_keys.REPLICA_INDEX, "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def failed_starts(self) -> int:
        """How many predecessors in this pod's place failed before they were ever Ready."""
        text = self.annotations.get(annotation_keys.FAILED_STARTS, "")
        return int(text) if text.isascii() and text.isdigit() else 0

    @property
    def ray_state(self) -> ContainerState | None:
        """The state of the Ray container; `None` before the kubelet reports it."""
        return next(
            (c for c in self.containers if c.name == self.ray_container and not c.is_init),
            None,
        )


def project(document: JsonObject) -> PodView:
    """Read a pod."""
    metadata = get_object(document, "metadata")
    spec, status = get_object(document, "spec"), get_object(document, "status")
    conditions = {get_text(c, "type"): c for c in get_objects(status, "conditions")}
    containers = get_objects(spec, "containers")
    return PodView(
        key=Key(sys.intern(get_text(metadata, "namespace")), get_text(metadata, "name")),
        uid=get_text(metadata, "uid"),
        resource_version=get_text(metadata, "resourceVersion"),
        labels=_kept(get_texts(metadata, "labels"), _KEPT_LABELS),
        annotations=_shared(*_kept(get_texts(metadata, "annotations"), _KEPT_ANNOTATIONS).items()),
        owner=controller_of(metadata),
        created=get_time(metadata, "creationTimestamp"),
        deleted=get_time(metadata, "deletionTimestamp"),
        grace_seconds=get_int(metadata, "deletionGracePeriodSeconds"),
        phase=sys.intern(get_text(status, "phase")),
        reason=sys.intern(get_text(status, "reason")),
        message=get_text(status, "message"),
        ip=get_text(status, "podIP"),
        node=sys.intern(get_text(spec, "nodeName")),
        restart_policy=sys.intern(get_text(spec, "restartPolicy")),
        ray_container=sys.intern(get_text(containers[0], "name")) if containers else "",
        ready=_condition(conditions.get("Ready")),
        scheduled=_condition(conditions.get("PodScheduled")),
        containers=(
            *(_container(s, is_init=True) for s in get_objects(status, "initContainerStatuses")),
            *(_container(s, is_init=False) for s in get_objects(status, "containerStatuses")),
        ),
    )


def _kept(texts: dict[str, str], keys: Iterable[str]) -> dict[str, str]:
    return {key: sys.intern(texts[key]) for key in keys if key in texts}


@lru_cache(maxsize=1_024)
def _shared(*texts: tuple[str, str]) -> dict[str, str]:
    """Return one dict for all pods that carry the same: those of a group mostly do."""
    return dict(texts)


def _condition(raw: JsonObject | None) -> PodCondition | None:
    if raw is None:
        return None
    return PodCondition(
        status=sys.intern(get_text(raw, "status")),
        reason=sys.intern(get_text(raw, "reason")),
        message=get_text(raw, "message"),
        since=get_time(raw, "lastTransitionTime"),
    )


def _container(raw: JsonObject, *, is_init: bool) -> ContainerState:
    state = get_object(raw, "state")
    waiting, ended = get_object(state, "waiting"), get_object(state, "terminated")
    running, last = get_object(state, "running"), get_object(raw, "lastState", "terminated")
    return ContainerState(
        name=sys.intern(get_text(raw, "name")),
        image=sys.intern(get_text(raw, "image")),
        is_init=is_init,
        waiting_reason=sys.intern(get_text(waiting, "reason")),
        waiting_message=get_text(waiting, "message"),
        is_terminated="terminated" in state,
        terminated_reason=sys.intern(get_text(ended, "reason")),
        terminated_message=get_text(ended, "message"),
        exit_code=get_int(ended, "exitCode"),
        last_reason=sys.intern(get_text(last, "reason")),
        last_exit_code=get_int(last, "exitCode"),
        restarts=get_int(raw, "restartCount"),
        started_at=get_time(running, "startedAt") or get_time(ended, "startedAt"),
        finished_at=get_time(ended, "finishedAt") or get_time(last, "finishedAt"),
    )
