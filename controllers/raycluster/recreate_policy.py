"""upgradeStrategy Recreate: a changed spec replaces all pods at once (raycluster.md 7.2)."""

from ray_operator.api import annotations
from ray_operator.api.hashes import is_comparable
from ray_operator.controllers.manifests.cluster import UpgradeStrategy
from ray_operator.controllers.raycluster import stamp_policy
from ray_operator.controllers.raycluster.actions import DeletePod
from ray_operator.controllers.raycluster.decision import Plan
from ray_operator.controllers.raycluster.observed import Observed


def plan_recreate(seen: Observed) -> Plan | None:
    """Return the deletion of all pods if the spec has changed since the head was made."""
    if seen.cluster.upgrade_strategy is not UpgradeStrategy.RECREATE or seen.unsettled:
        return None
    head = seen.head
    if head is None or stamp_policy.has_foreign_head_stamp(head, seen):
        return None
    made_from = head.annotations.get(annotations.UPGRADE_STRATEGY_RECREATE_HASH, "")
    if not is_comparable(made_from) or made_from == seen.cluster.stamps.spec:
        return None
    cause = "the spec has changed and upgradeStrategy is Recreate"
    going = (pod for pod in seen.pods if not pod.is_terminating)
    return Plan(tuple(DeletePod(pod, cause, all_pods=True) for pod in going))


def workers_wait(seen: Observed) -> bool:
    """Tell whether new workers must wait for a new head, lest they join the one that goes."""
    return (
        seen.cluster.upgrade_strategy is UpgradeStrategy.RECREATE
        and seen.head is None
        and any(pod.is_terminating for pod in seen.heads)
    )
