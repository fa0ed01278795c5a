"""The status of a RayService, and the events that its changes are worth.

Computed afresh in each pass and compared as a whole: nothing that matters changed, nothing is
written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ray_operator.api import conditions as c
from ray_operator.api.conditions import Condition, find_condition
from ray_operator.api.times import format_time
from ray_operator.controllers.rayservice.applications import cluster_status
from ray_operator.controllers.rayservice.conditions import next_conditions, troubles_of
from ray_operator.controllers.rayservice.desired import Desired
from ray_operator.controllers.rayservice.observed import ClusterSeen, Observed
from ray_operator.controllers.rayservice.plan import Plan
from ray_operator.operator.documents import JsonObject, get_object, get_text
from ray_operator.operator.notes import Note

PODS_FAILING = "PodsFailing"
SERVICE_CONFLICT = "ServiceNameConflict"
RUNNING = "Running"
_PARTS = ("activeServiceStatus", "pendingServiceStatus")


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be told: the status as a whole, and events once it is written.

    `is_transition` says that the names of the clusters change, which must not be decided on
    something stale.
    """

    status: JsonObject
    notes: tuple[Note, ...]
    is_transition: bool

    @property
    def says_ready(self) -> bool:
        """Whether the status says that the service serves."""
        return self.status.get("serviceStatus") == RUNNING


def report(seen: Observed, plan: Plan, now: datetime) -> Report:
    """Compute the status after a pass."""
    standing = next_conditions(seen, plan, now)
    ready = find_condition(standing, c.READY)
    status: JsonObject = {
        "conditions": [condition.as_json() for condition in standing],
        "serviceStatus": RUNNING if ready is not None and ready.is_true else None,
        "numServeEndpoints": seen.num_serve_endpoints if plan.names.active else 0,
        "observedGeneration": seen.generation,
        "lastUpdateTime": format_time(now),
        "activeServiceStatus": _part(seen, plan.names.active, now),
        "pendingServiceStatus": _part(seen, plan.names.pending, now),
    }
    return Report(
        status=status,
        notes=(*plan.notes, *_announcements(seen, plan, standing)),
        is_transition=plan.names != seen.names,
    )


def _part(seen: Observed, name: str, now: datetime) -> JsonObject | None:
    return cluster_status(name, _cluster(seen, name), _old_part(seen, name), now) or None


def _cluster(seen: Observed, name: str) -> ClusterSeen | None:
    return next((c for c in (seen.active, seen.pending) if c is not None and c.name == name), None)


def _old_part(seen: Observed, name: str) -> JsonObject:
    """A cluster that becomes the active one takes what was said of it along."""
    parts = (get_object(seen.status, part) for part in _PARTS)
    return next((p for p in parts if name and get_text(p, "rayClusterName") == name), {})


def _announcements(seen: Observed, plan: Plan, standing: tuple[Condition, ...]) -> Iterator[Note]:
    """Return the events of what went wrong since the last write; what is told is not repeated."""
    yield from _of_conditions(seen, standing)
    for trouble in troubles_of(seen, plan):
        if trouble in plan.refusals:
            continue  # the executor tells of its own failures
        if _says(standing, trouble) and not _says(seen.conditions, trouble):
            reason = SERVICE_CONFLICT if trouble.startswith("Service ") else PODS_FAILING
            yield Note("Warning", reason, "Reconcile", trouble)
    if seen.generation != seen.status.get("observedGeneration"):
        yield from _of_this_spec(seen)


def _of_conditions(seen: Observed, standing: tuple[Condition, ...]) -> Iterator[Note]:
    for new in standing:
        reason, action = _WARNINGS.get((new.type, new.reason), ("", ""))
        if reason and not _is_same(new, seen.condition(new.type)):
            yield Note("Warning", reason, action, new.message)


def _is_same(new: Condition, old: Condition | None) -> bool:
    return old is not None and (old.status, old.reason, old.message) == (
        new.status,
        new.reason,
        new.message,
    )


_WARNINGS = {
    (c.SPEC_VALID, c.INVALID_SPEC): ("InvalidRayServiceSpec", "Validate"),
    (c.SPEC_VALID, c.INVALID_METADATA): ("InvalidRayServiceMetadata", "Validate"),
    (c.READY, c.INITIALIZING_TIMEOUT): ("RayServiceInitializingTimeout", "Reconcile"),
    (c.SERVE_CONFIG_APPLIED, c.REJECTED): ("FailedToUpdateServeApplications", "Update"),
    (c.SERVE_CONFIG_APPLIED, c.FAILED_REASON): ("FailedToUpdateServeApplications", "Update"),
}


def _says(conditions: tuple[Condition, ...], trouble: str) -> bool:
    return any(trouble in condition.message for condition in conditions)


def _of_this_spec(seen: Observed) -> Iterator[Note]:
    desired = seen.desired
    if not isinstance(desired, Desired):
        return
    for notice in desired.notices:
        yield Note("Warning", notice.reason, "Validate", notice.message)
    has_workers = any(desired.replicas.values())
    if desired.excludes_head and not has_workers:
        text = "spec.excludeHeadPodFromServeSvc: no worker is asked for, so the head serves"
        yield Note("Warning", "HeadExcludedButAlone", "Validate", text)
