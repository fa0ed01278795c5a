"""What a policy decides: the value that `plan` hands on, and how several become one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from ray_operator.controllers.raycluster.actions import Action
from ray_operator.controllers.raycluster.observed import Phase
from ray_operator.operator.notes import Note


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, told and looked at again.

    `notes` are events that no action speaks of; `drift` are lines for the condition SpecDrift.
    `check_again` is when time alone will change the decision.  `next_phase` is written with the
    status; if `phase_first` it is written, and nothing done, before the next pass goes on.
    """

    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    drift: tuple[str, ...] = ()
    check_again: timedelta | None = None
    next_phase: Phase | None = None
    phase_first: bool = False


NOTHING = Plan()
"""Nothing is to be done: what most policies say in most passes."""


def join(plans: Iterable[Plan]) -> Plan:
    """Put plans together; the earliest `check_again` counts."""
    parts = [part for part in plans if part != NOTHING]
    if len(parts) <= 1:
        return parts[0] if parts else NOTHING
    phases = [part.next_phase for part in parts if part.next_phase is not None]
    return Plan(
        actions=tuple(action for part in parts for action in part.actions),
        notes=tuple(note for part in parts for note in part.notes),
        drift=tuple(line for part in parts for line in part.drift),
        check_again=sooner(*(part.check_again for part in parts)),
        next_phase=phases[0] if phases else None,
        phase_first=any(part.phase_first for part in parts),
    )


def sooner(*times: timedelta | None) -> timedelta | None:
    """Return the shortest time; `None` means never."""
    return min((time for time in times if time is not None), default=None)
