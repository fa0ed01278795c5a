"""Which Serve config belongs to which cluster, and when it is sent to Ray (rayservice.md 3.6).

Assigning and sending are two things: the assignment is an annotation, written when the spec allows
it; the sending makes Ray run what is assigned, as often as it takes.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ray_operator.api import annotations
from ray_operator.api.serve_config import applications_of
from ray_operator.controllers.dashboard.observation import Accepted, Refused, Unanswered
from ray_operator.controllers.dashboard.reports import ServeReport
from ray_operator.controllers.rayservice.actions import (
    Action,
    AnnotateCluster,
    Submit,
    record_submission,
)
from ray_operator.controllers.rayservice.desired import Desired
from ray_operator.controllers.rayservice.drift import covers
from ray_operator.controllers.rayservice.observed import ClusterSeen, Observed
from ray_operator.controllers.rayservice.readiness import missing_applications
from ray_operator.controllers.rayservice.recorded import assignment
from ray_operator.controllers.rayservice.upgrade import (
    Append,
    Begin,
    Decision,
    Drift,
    Keep,
    Restamp,
)
from ray_operator.operator.documents import JsonObject
from ray_operator.operator.notes import Note

RETRY_REFUSED = timedelta(seconds=60)
"""A refused config is tried again now and then: an image may have learnt a key meanwhile."""
_COMPARED = ("import_path", "route_prefix", "runtime_env", "args", "deployments")
"""What makes an application; Ray reports them as it was told."""
RETRY_MISSING = timedelta(seconds=10)
"""Ray needs a moment to report what it was just told; asking faster would tell it twice."""


def assign(seen: Observed, decision: Decision) -> Iterator[Action]:
    """Assign the spec's config to the clusters that it is meant for."""
    desired = seen.desired
    if not isinstance(desired, Desired) or not desired.serve_hash:
        return
    for cluster in _meant(seen, decision):
        if cluster.assigned_hash != desired.serve_hash:
            yield AnnotateCluster(
                cluster.ref,
                assignment(desired.serve_config, desired.serve_hash),
                why="the Serve config of the spec is assigned to it",
            )


def _meant(seen: Observed, decision: Decision) -> Iterator[ClusterSeen]:
    """While a new cluster is due or coming up, the active one keeps the config that it has."""
    desired = seen.desired
    match decision:
        case Keep() | Append() | Restamp() | Drift():
            if seen.pending is not None:
                yield seen.pending
            elif seen.active is not None and not seen.names.pending:
                yield seen.active
        case Begin():
            pass
        case _:
            pass
    if seen.active is None or seen.pending is None or not isinstance(desired, Desired):
        return
    if seen.annotations.get(annotations.APPLY_TO_ACTIVE) == desired.serve_hash:
        yield seen.active


def submit(cluster: ClusterSeen, config: JsonObject | None, now: datetime) -> Iterator[Action]:
    """Write down what Ray took, and send what it lacks."""
    submitted = cluster.submitted
    if submitted is not None and isinstance(cluster.ray.outcome, Accepted):
        recorded = cluster.recorded_submission
        is_recorded = recorded is not None and (
            recorded.config_hash == submitted.config_hash
            and recorded.is_of(submitted.head_uid, submitted.head_restarts)
        )
        if not is_recorded:
            yield record_submission(cluster.ref, submitted)
    if config is None or cluster.ray.submitting or not cluster.is_head_ready:
        return
    if (retry_at := next_try(cluster)) is not None and now < retry_at:
        return
    if why := _why_submit(cluster, config):
        yield Submit(cluster.ref, config, cluster.assigned_hash, why)
    elif changed := _changed_applications(cluster, config):
        why = f"somebody changed {', '.join(changed)} in Ray of RayCluster {cluster.name}"
        note = Note("Normal", "ServeConfigDrift", "Update", f"{why}; the spec is applied again")
        yield Submit(cluster.ref, config, cluster.assigned_hash, why, note)


def next_try(cluster: ClusterSeen) -> datetime | None:
    """Return before when nothing is sent to the head that there is; None: at once."""
    outcome, head = cluster.ray.outcome, cluster.head
    if head is None:
        return None
    is_current = outcome is not None and (
        (outcome.config_hash, outcome.head_uid) == (cluster.assigned_hash, head.uid)
    )
    match outcome:
        case Refused(at=at) if is_current:
            return at + RETRY_REFUSED
        case Unanswered(retry_at=retry_at) if is_current:
            return retry_at
        case _:
            return _after_acceptance(cluster, head.uid)


def _after_acceptance(cluster: ClusterSeen, head_uid: str) -> datetime | None:
    submitted = cluster.submitted
    if submitted is None or submitted.config_hash != cluster.assigned_hash:
        return None
    is_of_head = submitted.is_of(head_uid, cluster.head_restarts)
    return submitted.time + RETRY_MISSING if is_of_head else None


def _why_submit(cluster: ClusterSeen, config: JsonObject) -> str:
    submitted = cluster.submitted
    if submitted is None or submitted.config_hash != cluster.assigned_hash:
        return "it is new to the cluster"
    missing = missing_applications(cluster, config)
    return f"Ray lacks {', '.join(missing)}" if missing else ""


def _changed_applications(cluster: ClusterSeen, config: JsonObject) -> tuple[str, ...]:
    """Return the applications that Ray runs with another config than they were given."""
    wanted = applications_of(config)
    return tuple(name for name in wanted if _is_changed(cluster, name, wanted[name]))


def _is_changed(cluster: ClusterSeen, name: str, wanted: JsonObject) -> bool:
    deployed = _deployed(cluster.report, name)
    if deployed is None or deployed == _deployed(cluster.ray.baseline, name):
        return False
    return not covers({key: wanted[key] for key in _COMPARED if key in wanted}, deployed)


def _deployed(report: ServeReport | None, name: str) -> JsonObject | None:
    application = report.application(name) if report is not None else None
    return application.deployed if application is not None else None
