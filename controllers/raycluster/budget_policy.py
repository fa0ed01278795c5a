"""The PodDisruptionBudget of the head (raycluster.md 5.13)."""

from ray_operator.controllers.raycluster.actions import CreateChild, DeleteChild
from ray_operator.controllers.raycluster.decision import Plan
from ray_operator.controllers.raycluster.observed import Observed
from ray_operator.operator.resources import PDBS


def plan_budget(seen: Observed) -> Plan:
    """Decide what becomes of the budget: there while the head is to be spared, gone after."""
    live, wanted = seen.children.budget, seen.blueprint.budget
    if wanted is not None:
        return Plan() if live is not None else Plan((CreateChild(PDBS, wanted),))
    if live is None or live.owner_uid != seen.uid:
        return Plan()
    return Plan((DeleteChild(PDBS, live.name, live.uid),))
