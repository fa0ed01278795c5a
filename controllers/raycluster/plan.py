"""What to do next about one RayCluster: a ladder of early returns whose order is its meaning."""

from datetime import datetime

from ray_operator.controllers.raycluster import auth_policy, recreate_policy
from ray_operator.controllers.raycluster.budget_policy import plan_budget
from ray_operator.controllers.raycluster.decision import Plan, join
from ray_operator.controllers.raycluster.head_policy import plan_head
from ray_operator.controllers.raycluster.observed import Observed
from ray_operator.controllers.raycluster.rbac_policy import plan_rbac
from ray_operator.controllers.raycluster.removed_groups_policy import plan_removed_groups
from ray_operator.controllers.raycluster.services_policy import plan_services
from ray_operator.controllers.raycluster.stamp_policy import plan_stamps
from ray_operator.controllers.raycluster.suspend_policy import plan_suspend
from ray_operator.controllers.raycluster.worker_policy import plan_workers


def plan(seen: Observed, now: datetime) -> Plan:
    """Decide; nothing is done here.

    An invalid spec changes nothing: running pods are left alone.  Suspending goes before all else,
    because it must not be undone halfway.  What pods refer to is planned with them; the executor
    starts a pod when what it needs is there.
    """
    if seen.problem is not None:
        return Plan(next_phase=seen.phase)
    if (suspending := plan_suspend(seen)) is not None:
        return suspending
    if (recreation := recreate_policy.plan_recreate(seen)) is not None:
        return recreation
    around = join(
        [plan_rbac(seen), auth_policy.plan_token(seen), plan_services(seen), plan_budget(seen)],
    )
    if any(missing.blocks for missing in seen.blueprint.missing):
        return around
    return join([around, plan_stamps(seen), _plan_pods(seen, now)])


def _plan_pods(seen: Observed, now: datetime) -> Plan:
    if auth_policy.blocks_pods(seen):
        return Plan()
    head = plan_head(seen, now)
    gone = plan_removed_groups(seen, now)
    if recreate_policy.workers_wait(seen):
        return join([head, gone])
    return join([head, plan_workers(seen, now), gone])
