"""Suspend and resume (raycluster.md 8.1).

An intent is written down before any pod goes, and suspending once begun is finished: so a restart
of the operator, or a change of mind, never leaves half a cluster.
"""

from datetime import timedelta
from typing import assert_never

from ray_operator.controllers.raycluster.actions import DeletePod, lane_of
from ray_operator.controllers.raycluster.decision import Plan
from ray_operator.controllers.raycluster.observed import Observed, Phase

_CAUSE = "the cluster is suspended"
_AT_ONCE = timedelta(0)


def plan_suspend(seen: Observed) -> Plan | None:
    """Return what suspending asks for; `None`: the cluster runs, or resumes in this pass."""
    if not seen.policy.conditions:
        return _without_conditions(seen)
    match seen.phase:
        case Phase.RUNNING:
            if not seen.cluster.wants_suspend:
                return None
            return Plan(next_phase=Phase.SUSPENDING, phase_first=True, check_again=_AT_ONCE)
        case Phase.SUSPENDING:
            return _suspending(seen)
        case Phase.SUSPENDED:
            return Plan(next_phase=Phase.SUSPENDED) if seen.cluster.wants_suspend else None
        case _:
            assert_never(seen.phase)


def _suspending(seen: Observed) -> Plan:
    if seen.pods:
        return Plan(_deletions(seen), next_phase=Phase.SUSPENDING)
    if not seen.confirmed_empty:
        return Plan(next_phase=Phase.SUSPENDING, check_again=timedelta(seconds=1))
    # A flip back in between takes effect now that all pods are gone.
    again = None if seen.cluster.wants_suspend else _AT_ONCE
    return Plan(next_phase=Phase.SUSPENDED, phase_first=True, check_again=again)


def _without_conditions(seen: Observed) -> Plan | None:
    """Where no conditions are kept there is nothing to write first."""
    return Plan(_deletions(seen)) if seen.cluster.wants_suspend else None


def _deletions(seen: Observed) -> tuple[DeletePod, ...]:
    """Delete once: what the cache does not show yet is on its way."""
    return tuple(
        DeletePod(pod, _CAUSE, all_pods=True)
        for pod in seen.pods
        if not pod.is_terminating and lane_of(pod) not in seen.unsettled
    )
