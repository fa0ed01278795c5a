"""Conditions of our objects: their types, their reasons, and how one replaces another.

A condition is the API's own `metav1.Condition`.  `set_condition` keeps the promise that
`lastTransitionTime` moves only when `status` does (API conventions, "Typical status properties").
The same type names mean the same on all kinds; reasons are listed with the type they belong to.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from ray_operator.api.times import format_time, parse_time

Status = Literal["True", "False", "Unknown"]

TRUE: Status = "True"
FALSE: Status = "False"
UNKNOWN: Status = "Unknown"

# --- RayCluster ---------------------------------------------------------------------------------
HEAD_POD_READY = "HeadPodReady"
RAY_CLUSTER_PROVISIONED = "RayClusterProvisioned"
REPLICA_FAILURE = "ReplicaFailure"
RAY_CLUSTER_SUSPENDING = "RayClusterSuspending"
RAY_CLUSTER_SUSPENDED = "RayClusterSuspended"
WORKERS_READY = "WorkersReady"

HEAD_POD_RUNNING_AND_READY = "HeadPodRunningAndReady"
HEAD_POD_NOT_FOUND = "HeadPodNotFound"
CONTAINERS_NOT_READY = "ContainersNotReady"
ALL_PODS_READY_FIRST_TIME = "AllPodRunningAndReadyFirstTime"
PODS_PROVISIONING = "RayClusterPodsProvisioning"
FAILED_DELETE_ALL_PODS = "FailedDeleteAllPods"
FAILED_DELETE_HEAD_POD = "FailedDeleteHeadPod"
FAILED_CREATE_HEAD_POD = "FailedCreateHeadPod"
FAILED_DELETE_WORKER_POD = "FailedDeleteWorkerPod"
FAILED_CREATE_WORKER_POD = "FailedCreateWorkerPod"
ALL_READY = "AllReady"
NOT_ENOUGH_READY = "NotEnoughReady"

# --- every kind ---------------------------------------------------------------------------------
READY = "Ready"
SPEC_VALID = "SpecValid"
SPEC_DRIFT = "SpecDrift"
TEMPLATE_FIELDS_DROPPED = "TemplateFieldsDropped"
DASHBOARD_REACHABLE = "DashboardReachable"

VALID = "Valid"
INVALID_METADATA = "InvalidMetadata"
INVALID_SPEC = "InvalidSpec"
PODS_OUTDATED = "PodsOutdated"
UP_TO_DATE = "UpToDate"
UNKNOWN_REASON = "Unknown"

# --- RayService ---------------------------------------------------------------------------------
UPGRADE_IN_PROGRESS = "UpgradeInProgress"
ROLLBACK_IN_PROGRESS = "RollbackInProgress"
SUSPENDING = "Suspending"
SUSPENDED = "Suspended"
SERVE_CONFIG_APPLIED = "ServeConfigApplied"
GATEWAY_READY = "GatewayReady"

INITIALIZING = "Initializing"
NONZERO_SERVE_ENDPOINTS = "NonZeroServeEndpoints"
ZERO_SERVE_ENDPOINTS = "ZeroServeEndpoints"
INITIALIZING_TIMEOUT = "InitializingTimeout"
VALIDATION_FAILED = "ValidationFailed"
BOTH_CLUSTERS_EXIST = "BothActivePendingClustersExist"
NO_PENDING_CLUSTER = "NoPendingCluster"
NO_ACTIVE_CLUSTER = "NoActiveCluster"
DESIRED_SPEC_CHANGED = "DesiredClusterSpecChanged"
SUSPEND_REQUESTED = "SuspendRequested"
SUSPEND_IN_PROGRESS = "SuspendInProgress"
SUSPEND_COMPLETE = "SuspendComplete"
RESUMED = "RayServiceResumed"
APPLIED = "Applied"
NO_APPLICATIONS = "NoApplications"
REJECTED = "Rejected"
PENDING = "Pending"
FAILED_REASON = "Failed"
CRDS_MISSING = "CRDsMissing"

# --- how Ray's dashboard failed (DashboardReachable) --------------------------------------------
REACHABLE = "Reachable"
DNS = "DNS"
REFUSED = "Refused"
TIMEOUT = "Timeout"
UNAUTHORIZED = "Unauthorized"
NOT_FOUND = "NotFound"
SERVER_ERROR = "ServerError"

# --- RayJob -------------------------------------------------------------------------------------
CLUSTER_READY = "ClusterReady"
SUBMITTED = "Submitted"
COMPLETE = "Complete"
FAILED = "Failed"
OUTPUT_EXPORTED = "OutputExported"
EVIDENCE_KEPT = "EvidenceKept"

LONGEST_REASON = 1024
"""Bound of the CRD on `reason`, as in metav1.Condition."""
LONGEST_MESSAGE = 32768
"""Bound of the CRD on `message`, as in metav1.Condition: a longer one is refused."""
_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_ELLIPSIS = " …"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of an object's status.

    `since` is when `status` took its value, UTC, whole seconds.  `observed_generation` is the
    generation of the spec that the statement is about; 0 if unknown.
    """

    type: str
    status: Status
    reason: str
    message: str = ""
    observed_generation: int = 0
    since: datetime | None = None

    @property
    def is_true(self) -> bool:
        """Whether the statement holds."""
        return self.status == TRUE

    def as_json(self) -> dict[str, str | int]:
        """Render the condition as it stands in `status.conditions`."""
        rendered: dict[str, str | int] = {
            "type": self.type,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
        }
        if self.since is not None:
            rendered["lastTransitionTime"] = format_time(self.since)
        if self.observed_generation:
            rendered["observedGeneration"] = self.observed_generation
        return rendered


def parse_conditions(raw: Iterable[Mapping[str, object]] | None) -> tuple[Condition, ...]:
    """Read `status.conditions`; an entry without a type is left out, as nothing can refer to it."""
    return tuple(_parse(entry) for entry in raw or () if entry.get("type"))


def find_condition(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """Return the condition of that type, if there is one."""
    for condition in conditions:
        if condition.type == type_:
            return condition
    return None


def is_condition_true(conditions: Iterable[Condition], type_: str) -> bool:
    """Tell whether there is a condition of that type and it is True."""
    found = find_condition(conditions, type_)
    return found is not None and found.is_true


def set_condition(
    conditions: Iterable[Condition],
    wanted: Condition,
    now: datetime,
) -> tuple[Condition, ...]:
    """Put `wanted` in the place of the condition of its type, or at the end.

    Its `since` is the old one's while the status is the same, else `now` (never its own).
    A reason that the API server would refuse becomes `Unknown`, a message that is too long is cut.
    """
    before = tuple(conditions)
    old = find_condition(before, wanted.type)
    if old is not None and old.since is not None and _says_the_same(old, wanted):
        return before
    kept = old.since if old is not None and old.status == wanted.status else None
    new = replace(
        wanted,
        reason=checked_reason(wanted.reason),
        message=_cut(wanted.message),
        since=kept or now.replace(microsecond=0),
    )
    if old is None:
        return (*before, new)
    return tuple(new if c.type == wanted.type else c for c in before)


def _says_the_same(one: Condition, other: Condition) -> bool:
    """Tell whether they differ in nothing but the time."""
    return (
        one.status == other.status
        and one.reason == other.reason
        and one.message == other.message
        and one.observed_generation == other.observed_generation
    )


def remove_condition(conditions: Iterable[Condition], type_: str) -> tuple[Condition, ...]:
    """Leave out the condition of that type."""
    return tuple(c for c in conditions if c.type != type_)


def checked_reason(reason: str) -> str:
    """Return `reason`, or `Unknown` if the API server would refuse it.

    Reasons often come from a container's status and may be empty or hold anything.
    """
    if len(reason) > LONGEST_REASON or not _REASON.fullmatch(reason):
        return UNKNOWN_REASON
    return reason


def _cut(message: str) -> str:
    if len(message) <= LONGEST_MESSAGE:
        return message
    return message[: LONGEST_MESSAGE - len(_ELLIPSIS)] + _ELLIPSIS


def _parse(entry: Mapping[str, object]) -> Condition:
    since = entry.get("lastTransitionTime")
    generation = entry.get("observedGeneration")
    return Condition(
        type=str(entry["type"]),
        status=_parse_status(entry.get("status")),
        reason=str(entry.get("reason") or ""),
        message=str(entry.get("message") or ""),
        observed_generation=generation if isinstance(generation, int) else 0,
        since=parse_time(since) if isinstance(since, str) else None,
    )


def _parse_status(status: object) -> Status:
    match status:
        case "True":
            return TRUE
        case "False":
            return FALSE
        case _:
            return UNKNOWN
