"""How urgent a change of a custom resource, or of what belongs to one, is."""

from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator.urgency import Urgency


def urgency_of(
    old: ResourceView | None, new: ResourceView | None, *, ready: str, is_first_list: bool
) -> Urgency:
    """Return the urgency of a change from `old` to `new`.

    `ready` is the condition that is True once the object has become what was asked for; until
    then somebody waits for it.  What the first list brings has happened before we looked.
    """
    if new is None or new.is_terminating:
        return Urgency.ENDING
    if is_waited_for(new, ready):
        return Urgency.ASKED
    if is_first_list:
        return Urgency.ROUTINE
    is_edited = old is None or old.generation != new.generation
    return Urgency.ASKED if is_edited else Urgency.CHANGED


def urgency_for(owner: ResourceView | None, *, ready: str, is_first_list: bool) -> Urgency:
    """Return the urgency of a change of what belongs to `owner`."""
    if owner is not None and is_waited_for(owner, ready):
        return Urgency.ASKED
    return Urgency.ROUTINE if is_first_list else Urgency.CHANGED


def is_waited_for(view: ResourceView, ready: str) -> bool:
    """Tell whether an object is not yet what was asked for."""
    return ready not in view.phase.split(",")
