"""Pods of groups that the spec no longer names (raycluster.md 6.7).

They get a date by annotation and go when it has passed, so that a typo that is corrected within
half a minute costs nothing.  Ray's autoscaler crashes on a group that it doesn't know: with one,
they go at once.
"""

from datetime import datetime, timedelta

from ray_operator.api import annotations
from ray_operator.api.times import format_time, parse_time
from ray_operator.controllers.raycluster.actions import Action, AnnotatePod, DeletePod, lane_of
from ray_operator.controllers.raycluster.decision import Plan
from ray_operator.controllers.raycluster.observed import Observed
from ray_operator.controllers.views.pod import PodView

REPRIEVE = timedelta(seconds=30)


def plan_removed_groups(seen: Observed, now: datetime) -> Plan:
    """Decide what becomes of worker pods whose group is gone, or back again."""
    known = {group.name for group in seen.cluster.workers}
    actions: list[Action] = []
    waits: list[timedelta] = []
    for pod in seen.workers:
        if pod.is_terminating or lane_of(pod) in seen.unsettled:
            continue
        due = _due(pod)
        if pod.group in known:
            if due is not None:
                actions.append(AnnotatePod(pod, {annotations.DELETE_AFTER: None}))
        elif seen.cluster.has_autoscaler or (due is not None and due <= now):
            actions.append(DeletePod(pod, f"the spec has no group {pod.group!r} any more"))
        else:
            if due is None:
                due = now + REPRIEVE
                told = {annotations.DELETE_AFTER: format_time(due)}
                actions.append(AnnotatePod(pod, told))
            waits.append(due - now + timedelta(seconds=1))
    return Plan(tuple(actions), check_again=min(waits, default=None))


def _due(pod: PodView) -> datetime | None:
    text = pod.annotations.get(annotations.DELETE_AFTER)
    return parse_time(text) if text else None
