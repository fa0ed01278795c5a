"""What is told about a RayCluster besides what was done: once a generation, or once a change.

The status remembers what was told, so neither a resync nor a restart repeats it.
"""

from ray_operator.api import conditions
from ray_operator.controllers.raycluster import unbuilt
from ray_operator.controllers.raycluster.decision import Plan
from ray_operator.controllers.raycluster.observed import Observed
from ray_operator.operator.documents import get_int
from ray_operator.operator.notes import Note
from ray_operator.operator.resources import PODS
from ray_operator.operator.steps import Outcome


def news(seen: Observed, decided: Plan) -> tuple[Note, ...]:
    """Return the events to record beside those of the actions."""
    return (*_about_the_spec(seen), *_new_obstacles(seen, decided))


def obstacle_text(decided: Plan, outcome: Outcome) -> str:
    """Return what stands in the way besides pods, as the condition Ready quotes it."""
    failed = (
        f"{failure.step.text}: {failure.error}"
        for failure in outcome.failed
        if failure.step.write.resource != PODS
    )
    return "; ".join([*(note.message for note in decided.notes), *failed])


def _about_the_spec(seen: Observed) -> list[Note]:
    told = get_int(seen.status, "observedGeneration")
    if told == seen.cluster.generation:
        return []
    if seen.problem is not None:
        reason = f"InvalidRayCluster{seen.problem.part}"
        return [Note("Warning", reason, "Validate", str(seen.problem))]
    missing = (
        Note("Warning", unbuilt.EVENT, "Validate", str(each)) for each in seen.blueprint.missing
    )
    notices = (Note("Warning", each.reason, "Validate", each.message) for each in seen.notices)
    return [*missing, *notices]


def _new_obstacles(seen: Observed, decided: Plan) -> list[Note]:
    ready = seen.condition(conditions.READY)
    told = ready.message if ready is not None else ""
    return [note for note in decided.notes if note.message not in told]
