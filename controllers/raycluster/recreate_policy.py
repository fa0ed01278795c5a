"""upgradeStrategy Recreate: a changed spec replaces all pods at once (raycluster.md 7.2).

That the spec has changed stands on the head alone.  So the head goes last, when all workers are on
their way: wherever a recreation is cut off, the next pass finds the old head and finishes it.
"""

from ray_operator.api import annotations
from ray_operator.api.hashes import is_comparable
from ray_operator.controllers.manifests.cluster import UpgradeStrategy
from ray_operator.controllers.raycluster import stamp_policy
from ray_operator.controllers.raycluster.actions import DeletePod, lane_of
from ray_operator.controllers.raycluster.decision import Plan
from ray_operator.controllers.raycluster.observed import Observed


def plan_recreate(seen: Observed) -> Plan | None:
    """Return the deletion of all pods if the spec has changed since the head was made."""
    if seen.unsettled or not _is_due(seen):
        return None
    cause = "the spec has changed and upgradeStrategy is Recreate"
    going = [pod for pod in seen.pods if not pod.is_terminating]
    workers = [DeletePod(pod, cause, all_pods=True) for pod in going if not pod.is_head]
    lanes = frozenset(lane_of(step.pod) for step in workers)
    heads = [DeletePod(pod, cause, all_pods=True, after=lanes) for pod in going if pod.is_head]
    return Plan((*workers, *heads))


def workers_wait(seen: Observed) -> bool:
    """Tell whether new workers must wait for a new head, lest they join the one that goes."""
    is_asked_for = seen.cluster.upgrade_strategy is UpgradeStrategy.RECREATE
    is_going = seen.head is None and any(pod.is_terminating for pod in seen.heads)
    return (is_asked_for and is_going) or _is_due(seen)


def _is_due(seen: Observed) -> bool:
    """Tell whether the head was made from another spec, and all pods are to follow the new one."""
    if seen.cluster.upgrade_strategy is not UpgradeStrategy.RECREATE:
        return False
    head = seen.head
    if head is None or stamp_policy.has_foreign_head_stamp(head, seen):
        return False
    made_from = head.annotations.get(annotations.UPGRADE_STRATEGY_RECREATE_HASH, "")
    return is_comparable(made_from) and made_from != seen.cluster.stamps.spec
