"""The conditions of a RayCluster (raycluster.md 9.3), each by a function of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ray_operator.api import conditions as c
from ray_operator.api.conditions import (
    FALSE,
    TRUE,
    UNKNOWN,
    Condition,
    Status,
    remove_condition,
    set_condition,
)
from ray_operator.controllers.causes import Cause, pod_cause, summarize
from ray_operator.controllers.raycluster import unbuilt
from ray_operator.controllers.raycluster.observed import Observed, Phase
from ray_operator.controllers.views.pod import PodView


@dataclass(frozen=True, slots=True)
class Setback:
    """A pod that could not be created or deleted; `reason` is that of ReplicaFailure."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What this pass decided and how it went, as far as the status tells of it."""

    phase: Phase = Phase.RUNNING
    failures: tuple[Setback, ...] = ()
    drift: tuple[str, ...] = ()
    obstacle: str = ""
    """What else stands in the way: somebody else's objects, or children that can't be made."""

    @property
    def went_wrong(self) -> bool:
        """Whether a step failed or could not be taken."""
        return bool(self.failures or self.obstacle)


BLOCKED = "Blocked"
"""Reason of Ready while something besides pods stands in the way."""

_Judge = Callable[[Observed, Facts], Condition | None]


def next_conditions(seen: Observed, facts: Facts, now: datetime) -> tuple[Condition, ...]:
    """Return all conditions; those of other writers are kept."""
    if not seen.policy.conditions:
        return seen.conditions
    found = seen.conditions
    for type_, judge in _JUDGES.items():
        wanted = judge(seen, facts)
        if wanted is None:
            found = remove_condition(found, type_)
        else:
            found = set_condition(found, wanted, now)
    return found


def all_pods_ready(seen: Observed) -> bool:
    """Tell whether exactly the desired pods are there and every one of them is Ready."""
    live = seen.live_pods
    wanted = seen.cluster.desired_workers + 1
    return len(live) == wanted and all(pod.is_ready for pod in live)


def head_problem(pod: PodView) -> tuple[str, str]:
    """Return reason and message of a head that is not Ready."""
    if pod.ready is None:
        return c.UNKNOWN_REASON, "the kubelet has not reported yet"
    if pod.ready.reason != c.CONTAINERS_NOT_READY:
        return pod.ready.reason or c.UNKNOWN_REASON, pod.ready.message
    for container in pod.containers:
        reason = container.waiting_reason or container.terminated_reason
        if reason:
            text = container.waiting_message or container.terminated_message
            return reason, f"{pod.ready.message}; {container.name}: {text}"
    return pod.ready.reason, pod.ready.message


def _make(
    seen: Observed,
    type_: str,
    status: Status | bool,  # noqa: FBT001  # the status itself, not a switch
    reason: str,
    message: str = "",
) -> Condition:
    if isinstance(status, bool):
        status = TRUE if status else FALSE
    return Condition(type_, status, reason, message, seen.cluster.generation)


def _head_pod_ready(seen: Observed, facts: Facts) -> Condition:
    pod = seen.head
    if pod is None:
        text = "the cluster is suspended" if facts.phase is not Phase.RUNNING else "no head pod"
        return _make(seen, c.HEAD_POD_READY, FALSE, c.HEAD_POD_NOT_FOUND, text)
    if pod.is_ready and pod.ready is not None:
        reason = pod.ready.reason or c.HEAD_POD_RUNNING_AND_READY
        return _make(seen, c.HEAD_POD_READY, TRUE, reason, pod.ready.message)
    status = UNKNOWN if pod.ready is not None and pod.ready.status == UNKNOWN else FALSE
    reason, message = head_problem(pod)
    cause = pod_cause(pod)
    if cause is not None and cause.detail and cause.detail not in message:
        message = f"{message}; {cause}" if message else str(cause)
    return _make(seen, c.HEAD_POD_READY, status, reason, message)


def _provisioned(seen: Observed, facts: Facts) -> Condition:
    if facts.phase is not Phase.RUNNING and not seen.pods:
        text = "the cluster is suspended"
        return _make(seen, c.RAY_CLUSTER_PROVISIONED, FALSE, c.PODS_PROVISIONING, text)
    old = seen.condition(c.RAY_CLUSTER_PROVISIONED)
    if old is not None and old.is_true:
        return old
    if all_pods_ready(seen):
        text = "all pods were running and ready for the first time"
        return _make(seen, c.RAY_CLUSTER_PROVISIONED, TRUE, c.ALL_PODS_READY_FIRST_TIME, text)
    text = "pods are coming up"
    return _make(seen, c.RAY_CLUSTER_PROVISIONED, FALSE, c.PODS_PROVISIONING, text)


def _replica_failure(seen: Observed, facts: Facts) -> Condition | None:
    if not facts.failures:
        return None
    first = facts.failures[0]
    message = f"{first.reason}\n{first.message}"
    return _make(seen, c.REPLICA_FAILURE, TRUE, first.reason, message)


def _suspending(seen: Observed, facts: Facts) -> Condition:
    is_so = facts.phase is Phase.SUSPENDING
    return _make(seen, c.RAY_CLUSTER_SUSPENDING, is_so, c.RAY_CLUSTER_SUSPENDING)


def _suspended(seen: Observed, facts: Facts) -> Condition:
    is_so = facts.phase is Phase.SUSPENDED
    return _make(seen, c.RAY_CLUSTER_SUSPENDED, is_so, c.RAY_CLUSTER_SUSPENDED)


def _spec_valid(seen: Observed, _facts: Facts) -> Condition:
    if seen.problem is None:
        return _make(seen, c.SPEC_VALID, TRUE, c.VALID)
    reason = c.INVALID_METADATA if seen.problem.part == "Metadata" else c.INVALID_SPEC
    return _make(seen, c.SPEC_VALID, FALSE, reason, str(seen.problem))


def _spec_drift(seen: Observed, facts: Facts) -> Condition:
    if not facts.drift:
        return _make(seen, c.SPEC_DRIFT, FALSE, c.UP_TO_DATE)
    return _make(seen, c.SPEC_DRIFT, TRUE, c.PODS_OUTDATED, "; ".join(facts.drift))


def _workers_ready(seen: Observed, facts: Facts) -> Condition:
    wanted = 0 if facts.phase is not Phase.RUNNING else seen.cluster.desired_workers
    ready = sum(pod.is_ready for pod in seen.workers)
    if ready >= wanted:
        return _make(seen, c.WORKERS_READY, TRUE, c.ALL_READY)
    causes = summarize(_causes(seen.workers, facts))
    message = f"{ready} of {wanted} workers are ready" + (f"; {causes}" if causes else "")
    return _make(seen, c.WORKERS_READY, FALSE, c.NOT_ENOUGH_READY, message)


def _features_missing(seen: Observed, _facts: Facts) -> Condition | None:
    missing = seen.blueprint.missing
    if not missing:
        return None
    text = "; ".join(map(str, missing))
    return _make(seen, unbuilt.FEATURES_MISSING, TRUE, unbuilt.NOT_BUILT, text)


def _ready(seen: Observed, facts: Facts) -> Condition:
    """Tell whether all is up now, for `kubectl wait`."""
    if seen.problem is not None:
        return _make(seen, c.READY, FALSE, c.INVALID_SPEC, str(seen.problem))
    if facts.phase is not Phase.RUNNING:
        return _make(seen, c.READY, FALSE, c.SUSPENDED, "the cluster is suspended")
    if facts.failures:
        return _make(seen, c.READY, FALSE, facts.failures[0].reason, facts.failures[0].message)
    if facts.obstacle:
        return _make(seen, c.READY, FALSE, BLOCKED, facts.obstacle)
    if _is_up(seen):
        return _make(seen, c.READY, TRUE, c.ALL_READY)
    causes = summarize(_causes(seen.pods, facts))
    return _make(seen, c.READY, FALSE, c.NOT_ENOUGH_READY, causes or "pods are coming up")


def _is_up(seen: Observed) -> bool:
    """Tell whether what is wanted is there and Ready; pods on their way out don't matter."""
    groups = seen.cluster.workers
    ready = [sum(pod.is_ready for pod in seen.pods_of(group.name)) for group in groups]
    enough = all(n >= group.desired_pods for n, group in zip(ready, groups, strict=True))
    return enough and seen.head is not None and seen.head.is_ready


def _causes(pods: tuple[PodView, ...], facts: Facts) -> list[Cause]:
    found = [cause for pod in pods if (cause := pod_cause(pod)) is not None]
    return [*found, *(Cause(setback.reason, setback.message) for setback in facts.failures)]


_JUDGES: dict[str, _Judge] = {
    c.READY: _ready,
    c.HEAD_POD_READY: _head_pod_ready,
    c.WORKERS_READY: _workers_ready,
    c.RAY_CLUSTER_PROVISIONED: _provisioned,
    c.RAY_CLUSTER_SUSPENDING: _suspending,
    c.RAY_CLUSTER_SUSPENDED: _suspended,
    c.SPEC_VALID: _spec_valid,
    c.SPEC_DRIFT: _spec_drift,
    c.REPLICA_FAILURE: _replica_failure,
    unbuilt.FEATURES_MISSING: _features_missing,
}
"""In the order in which people want to read them."""
