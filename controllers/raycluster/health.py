"""Which pods must be replaced, and when (raycluster.md 6.5, 6.3).

A pod that is gone for good is replaced at once.  One that failed before it was ever Ready will
probably fail again: each such failure in a row doubles the wait.  Until the wait is over the failed
pod stays, with its logs, and so the count and the clock survive a restart of the operator.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from ray_operator.controllers.views.node import NodeView
from ray_operator.controllers.views.pod import RUNNING, PodView

_FIRST_WAIT = timedelta(seconds=10)
_LONGEST_WAIT = timedelta(minutes=5)
_MOST_DOUBLINGS = 10
"""Keeps the power small; the longest wait is reached long before."""
_READY_SLACK = timedelta(seconds=1)
"""Times have whole seconds: Ready may bear the second in which the container started."""


def why_unhealthy(pod: PodView, nodes: Mapping[str, NodeView]) -> str | None:
    """Return why a pod will never work again, in a few words; `None` if it may.

    Pending, not Ready, restarting: reported elsewhere, never a reason to delete.
    """
    if pod.is_terminating:
        return None
    if pod.is_finished:
        return _ended(pod)
    node = nodes.get(pod.node)
    if node is not None and node.is_lost:
        return f"its node {pod.node} is out of service"
    state = pod.ray_state
    stopped = state is not None and state.is_terminated
    if pod.phase == RUNNING and pod.restart_policy == "Never" and stopped:
        return "its Ray container ended and restartPolicy is Never"
    return None


def replace_at(pod: PodView) -> datetime | None:
    """Return when an unhealthy pod is to be replaced; `None`: at once."""
    if not pod.failed_starts or not never_was_ready(pod):
        return None
    failed = _failed_at(pod)
    return failed + wait_after(pod.failed_starts) if failed else None


def wait_after(failed_starts: int) -> timedelta:
    """Return the wait before the next try: none, 10 s, 20 s, … 5 minutes."""
    if failed_starts < 1:
        return timedelta(0)
    doublings = min(failed_starts - 1, _MOST_DOUBLINGS)
    return min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT)


def failed_starts_after(pod: PodView | None) -> int:
    """Return the count that the successor of `pod` begins with."""
    if pod is None or not pod.is_finished or not never_was_ready(pod):
        return 0
    return pod.failed_starts + 1


def never_was_ready(pod: PodView) -> bool:
    """Tell whether the pod was not Ready at any moment.

    The condition Ready turns False when the kubelet first sees the pod; a later transition than
    the start of the Ray container means that it was True in between.
    """
    if pod.ready is None:
        return True
    if pod.ready.status == "True":
        return False
    state = pod.ray_state
    if pod.ready.since is None or state is None or state.started_at is None:
        return True
    return pod.ready.since <= state.started_at + _READY_SLACK


def _ended(pod: PodView) -> str:
    state = pod.ray_state
    how = f"phase {pod.phase}, restartPolicy {pod.restart_policy}"
    if pod.reason:
        return f"{how}, {pod.reason}"
    if state is not None and state.is_terminated:
        return f"{how}, Ray container exited with {state.exit_code} ({state.terminated_reason})"
    return how


def _failed_at(pod: PodView) -> datetime | None:
    ends = [c.finished_at for c in pod.containers if c.finished_at is not None]
    if ends:
        return max(ends)
    return (pod.ready.since if pod.ready else None) or pod.created
