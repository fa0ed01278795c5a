"""The head: exactly one, replaced when it is beyond repair (raycluster.md 6.2).

Two heads must never answer behind one Service or write one GCS storage, so a new one waits until
the old one is gone.  Workers are left alone meanwhile.
"""

from datetime import datetime, timedelta

from ray_operator.api import annotations, conditions, labels
from ray_operator.api.conditions import is_condition_true
from ray_operator.controllers.manifests.metadata import Slot
from ray_operator.controllers.raycluster import health, pod_names
from ray_operator.controllers.raycluster.actions import CreateHead, DeletePod
from ray_operator.controllers.raycluster.decision import Plan
from ray_operator.controllers.raycluster.observed import (
    HEAD_LANE,
    Observed,
    Presence,
    best_head,
)
from ray_operator.controllers.views.pod import PodView
from ray_operator.operator.notes import Note

_LOST_AFTER = timedelta(seconds=60)
"""A head on a node that is gone counts as gone that long after its grace period (rulings.md 11)."""


def plan_head(seen: Observed, now: datetime) -> Plan:
    """Decide what becomes of the head."""
    if HEAD_LANE in seen.unsettled:
        return Plan()
    present = tuple(pod for pod in seen.heads if not pod.is_terminating)
    best = best_head(present)
    if len(present) > 1 and best is not None:
        surplus = (pod for pod in present if pod is not best)
        return Plan(tuple(DeletePod(pod, "a cluster has one head") for pod in surplus))
    if present:
        return _keep_or_delete(present[0], seen, now)
    if leaving := _terminating(seen, now):
        return Plan(check_again=leaving)
    return _create(seen)


def may_create_pods(seen: Observed) -> bool:
    """Tell whether pods may be made: not where a provisioned head must not come back."""
    fixed = seen.cluster.annotations.get(annotations.DISABLE_PROVISIONED_HEAD_RESTART)
    if fixed != labels.TRUE or best_head(seen.heads) is not None:
        return True
    return not is_condition_true(seen.conditions, conditions.RAY_CLUSTER_PROVISIONED)


def _keep_or_delete(pod: PodView, seen: Observed, now: datetime) -> Plan:
    why = health.why_unhealthy(pod, seen.nodes)
    if why is None:
        return Plan()
    due = health.replace_at(pod)
    if due is not None and due > now:
        return Plan(check_again=due - now)
    return Plan((DeletePod(pod, why),))


def _terminating(seen: Observed, now: datetime) -> timedelta | None:
    """Return when to look again for heads that are on their way out; `None`: none is."""
    waits = [_wait_for(pod, seen, now) for pod in seen.heads]
    return min((wait for wait in waits if wait is not None), default=None)


def _wait_for(pod: PodView, seen: Observed, now: datetime) -> timedelta | None:
    if pod.deleted is None:
        return None
    node = seen.nodes.get(pod.node)
    is_node_well = not seen.knows_nodes or (node is not None and node.is_ready)
    left = pod.deleted + _LOST_AFTER - now
    if is_node_well:
        return max(left, _LOST_AFTER)
    return left if left > timedelta(0) else None


def _create(seen: Observed) -> Plan:
    if not may_create_pods(seen):
        return Plan()
    if seen.cluster.has_autoscaler and seen.own_account is Presence.ABSENT:
        return Plan(notes=(_missing_account(seen),))
    last = pod_names.newest(seen.heads)
    slot = Slot(failed_starts=health.failed_starts_after(last))
    name = pod_names.head_name(
        seen.cluster,
        seen.heads,
        seen.taken_names,
        is_fixed=seen.policy.build.deterministic_head_name,
    )
    return Plan((CreateHead(name, slot),))


def _missing_account(seen: Observed) -> Note:
    name = f"{seen.cluster.namespace}/{seen.cluster.account_name}"
    text = (
        f"ServiceAccount {name} named in spec.headGroupSpec.template.spec.serviceAccountName does "
        "not exist; the head waits until it is created"
    )
    return Note("Warning", "AutoscalerServiceAccountNotFound", "Validate", text)
