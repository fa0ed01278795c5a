"""The conditions of a RayService, all computed afresh from what was seen and planned.

Of the old ones only the times are kept (and the memory of having been ready, or suspended).  Each
function is about one condition and returns None where it has nothing to say.
"""

from collections.abc import Callable
from datetime import datetime

from ray_operator.api import conditions as c
from ray_operator.api.conditions import Condition, Status, remove_condition, set_condition
from ray_operator.api.problems import Problem
from ray_operator.controllers.dashboard.observation import Refused, Unanswered
from ray_operator.controllers.rayservice.desired import Desired, Strategy
from ray_operator.controllers.rayservice.observed import ClusterSeen, Observed
from ray_operator.controllers.rayservice.plan import Plan
from ray_operator.controllers.rayservice.readiness import assigned_config, why_not_ready
from ray_operator.controllers.rayservice.state import State, initializing_timeout, is_resumed
from ray_operator.controllers.rayservice.trouble import (
    application_troubles,
    cluster_troubles,
    refusal,
)

NOT_APPLIED = "ClusterSpecNotApplied"
NOT_AVAILABLE = "NotAvailable"


def next_conditions(seen: Observed, plan: Plan, now: datetime) -> tuple[Condition, ...]:
    """Return the conditions as they are to stand in the status."""
    standing = seen.conditions
    if is_resumed(seen) or _is_mended(seen):
        # A new beginning: the times start anew, and with them the initializing timeout.
        for type_ in (c.READY, c.UPGRADE_IN_PROGRESS, c.ROLLBACK_IN_PROGRESS):
            standing = remove_condition(standing, type_)
    for type_, judge in _JUDGES.items():
        judged = judge(seen, plan)
        if judged is None:
            standing = remove_condition(standing, type_)
            continue
        status, reason, message = judged
        wanted = Condition(type_, status, reason, message, observed_generation=seen.generation)
        standing = set_condition(standing, wanted, now)
    return standing


Judgement = tuple[Status, str, str]


def _is_mended(seen: Observed) -> bool:
    ready = seen.condition(c.READY)
    was_invalid = ready is not None and ready.reason == c.VALIDATION_FAILED
    return was_invalid and isinstance(seen.desired, Desired)


def _of_suspension(plan: Plan) -> Judgement | None:
    match plan.state:
        case State.SUSPENDING if not plan.is_settled:
            return c.FALSE, c.SUSPEND_IN_PROGRESS, "everything of the service is being deleted"
        case State.SUSPENDING | State.SUSPENDED:
            return c.FALSE, c.SUSPEND_COMPLETE, "spec.suspend is true; nothing runs"
        case _:
            return None


def _ready(seen: Observed, plan: Plan) -> Judgement:
    if suspended := _of_suspension(plan):
        return suspended
    if plan.state is State.TIMED_OUT:
        patience = initializing_timeout(seen)
        old = seen.condition(c.READY)
        said = f"not ready within {patience}; delete and create the service to try again"
        is_told = old is not None and old.reason == c.INITIALIZING_TIMEOUT
        return c.FALSE, c.INITIALIZING_TIMEOUT, old.message if old and is_told else said
    if seen.num_serve_endpoints:
        return c.TRUE, c.NONZERO_SERVE_ENDPOINTS, f"{seen.num_serve_endpoints} pods serve"
    if seen.was_ready:
        return c.FALSE, c.ZERO_SERVE_ENDPOINTS, _with_trouble(seen, plan, "no pod serves")
    if isinstance(seen.desired, Problem):
        return c.FALSE, c.VALIDATION_FAILED, str(seen.desired)
    return c.FALSE, c.INITIALIZING, _with_trouble(seen, plan, plan.waits_for or "no pod serves yet")


def _upgrade_in_progress(seen: Observed, plan: Plan) -> Judgement:
    if suspended := _of_suspension(plan):
        return suspended
    if plan.names.active and plan.names.pending:
        said = plan.waits_for or "traffic is moved to the new cluster"
        return c.TRUE, c.BOTH_CLUSTERS_EXIST, _with_trouble(seen, plan, said)
    _, reason, message = _ready(seen, plan)
    if reason in {c.INITIALIZING, c.INITIALIZING_TIMEOUT, c.VALIDATION_FAILED}:
        return c.FALSE, reason, message
    if not plan.names.active:
        return c.UNKNOWN, c.NO_ACTIVE_CLUSTER, _with_trouble(seen, plan, plan.waits_for)
    only = f"the service runs on RayCluster {plan.names.active} alone"
    return c.FALSE, c.NO_PENDING_CLUSTER, _with_trouble(seen, plan, only)


def _rollback_in_progress(_seen: Observed, plan: Plan) -> Judgement | None:
    return _of_suspension(plan)


def _suspending(seen: Observed, plan: Plan) -> Judgement | None:
    match plan.state:
        case State.SUSPENDING if not plan.is_settled:
            is_known = seen.has(c.SUSPENDING)
            reason = c.SUSPEND_IN_PROGRESS if is_known else c.SUSPEND_REQUESTED
            return c.TRUE, reason, "everything of the service is being deleted"
        case State.SUSPENDING | State.SUSPENDED:
            return c.FALSE, c.SUSPEND_COMPLETE, "nothing of the service is left"
        case _:
            return _kept(seen, c.SUSPENDING)


def _suspended(seen: Observed, plan: Plan) -> Judgement | None:
    match plan.state:
        case State.SUSPENDING if not plan.is_settled:
            return c.FALSE, c.SUSPEND_IN_PROGRESS, "everything of the service is being deleted"
        case State.SUSPENDING | State.SUSPENDED:
            return c.TRUE, c.SUSPEND_COMPLETE, "spec.suspend is true; nothing runs"
        case _ if is_resumed(seen):
            return c.FALSE, c.RESUMED, "spec.suspend is no longer true"
        case _:
            return _kept(seen, c.SUSPENDED)


def _serve_config_applied(seen: Observed, plan: Plan) -> Judgement | None:
    if plan.state is not State.RUNNING:
        return None
    desired = seen.desired
    if isinstance(desired, Desired) and desired.serve_config is None:
        return c.FALSE, c.NO_APPLICATIONS, f"{desired.serve_field} names no application"
    cluster = seen.pending or seen.active
    if cluster is None:
        return c.FALSE, c.PENDING, "there is no cluster to apply it to yet"
    return _application_of(cluster, seen)


def _application_of(cluster: ClusterSeen, seen: Observed) -> Judgement:
    field = seen.desired.serve_field if isinstance(seen.desired, Desired) else "the Serve config"
    outcome = cluster.ray.outcome
    is_current = outcome is not None and outcome.config_hash == cluster.assigned_hash
    if isinstance(outcome, Refused) and is_current:
        return c.FALSE, c.REJECTED, refusal(field, outcome.text)
    if isinstance(outcome, Unanswered) and is_current:
        said = f"{field}: it could not be sent to Ray: {outcome.failure.message}"
        return c.FALSE, c.PENDING, said
    if troubles := application_troubles(cluster, seen.desired):
        return c.FALSE, c.FAILED_REASON, "; ".join(troubles)
    if waiting := why_not_ready(cluster, assigned_config(cluster, seen)):
        return _kept_while_unreported(cluster, seen) or (c.FALSE, c.PENDING, waiting)
    return c.TRUE, c.APPLIED, f"every application runs on RayCluster {cluster.name}"


def _kept_while_unreported(cluster: ClusterSeen, seen: Observed) -> Judgement | None:
    """While Ray says nothing about a config that it took, what it said last stands."""
    submitted = cluster.submitted
    is_taken = submitted is not None and submitted.config_hash == cluster.assigned_hash
    if cluster.report is not None or not is_taken or cluster is not seen.active:
        return None
    kept = _kept(seen, c.SERVE_CONFIG_APPLIED)
    return kept if kept is not None and kept[1] in {c.APPLIED, c.FAILED_REASON} else None


def _dashboard_reachable(seen: Observed, plan: Plan) -> Judgement | None:
    cluster = seen.active or seen.pending
    if plan.state is not State.RUNNING or cluster is None:
        return None
    observation = cluster.ray.observation
    if observation is None:
        return _kept(seen, c.DASHBOARD_REACHABLE)
    if observation.failure is not None:
        failure = observation.failure
        return c.FALSE, failure.trouble.value, f"RayCluster {cluster.name}: {failure.message}"
    if observation.is_agent_silent:
        said = f"RayCluster {cluster.name}: the dashboard agent on the head does not answer"
        return c.FALSE, c.REFUSED, said
    return c.TRUE, c.REACHABLE, f"Ray of RayCluster {cluster.name} answers"


def _spec_valid(seen: Observed, _plan: Plan) -> Judgement:
    if not isinstance(seen.desired, Problem):
        return c.TRUE, c.VALID, "the spec is valid"
    is_metadata = seen.desired.part == "Metadata"
    reason = c.INVALID_METADATA if is_metadata else c.INVALID_SPEC
    kept = "; what ran before goes on unchanged" if seen.clusters else ""
    return c.FALSE, reason, f"{seen.desired}{kept}"


def _spec_drift(seen: Observed, plan: Plan) -> Judgement | None:
    if plan.drift:
        said = f"not applied, as spec.upgradeStrategy allows no new cluster: {plan.drift}"
        return c.TRUE, NOT_APPLIED, said
    if seen.condition(c.SPEC_DRIFT) is None:
        return None
    return c.FALSE, c.UP_TO_DATE, "the cluster is what the spec asks for"


def _gateway_ready(seen: Observed, _plan: Plan) -> Judgement | None:
    desired = seen.desired
    if not isinstance(desired, Desired) or desired.asked_strategy != Strategy.INCREMENTAL:
        return None
    said = (
        "spec.upgradeStrategy.type NewClusterWithIncrementalUpgrade is not available yet: "
        "traffic is switched as with NewCluster"
    )
    return c.FALSE, NOT_AVAILABLE, said


def _with_trouble(seen: Observed, plan: Plan, text: str) -> str:
    troubles = troubles_of(seen, plan)
    return f"{text}: {'; '.join(troubles)}" if troubles else text


def troubles_of(seen: Observed, plan: Plan) -> tuple[str, ...]:
    """Say what stands in the way of the newest cluster, and of the Services."""
    cluster = seen.pending or seen.active
    return (
        *(cluster_troubles(cluster) if cluster is not None else ()),
        *plan.refusals,
        *(f"Service {n} belongs to somebody else, it is left alone" for n in plan.conflicts),
    )


def _kept(seen: Observed, type_: str) -> Judgement | None:
    old = seen.condition(type_)
    return None if old is None else (old.status, old.reason, old.message)


_JUDGES: dict[str, Callable[[Observed, Plan], Judgement | None]] = {
    c.READY: _ready,
    c.UPGRADE_IN_PROGRESS: _upgrade_in_progress,
    c.ROLLBACK_IN_PROGRESS: _rollback_in_progress,
    c.SUSPENDING: _suspending,
    c.SUSPENDED: _suspended,
    c.SERVE_CONFIG_APPLIED: _serve_config_applied,
    c.DASHBOARD_REACHABLE: _dashboard_reachable,
    c.SPEC_VALID: _spec_valid,
    c.SPEC_DRIFT: _spec_drift,
    c.GATEWAY_READY: _gateway_ready,
}
