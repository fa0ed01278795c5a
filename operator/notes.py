"""What is told of an object, as values: written by whoever decides, sent by `events.py`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from ray_operator.operator.keys import ObjectRef


@dataclass(frozen=True, slots=True)
class Note:
    """What happened, in an event's words.

    `reason` is CamelCase and from a closed set, `action` a verb (Create, Update, Delete, Validate,
    Reconcile, Cleanup, Suspend), `message` for people, cut at 1,024 bytes.
    """

    type: Literal["Normal", "Warning"]
    reason: str
    action: str
    message: str


class Recorder(Protocol):
    """Where one controller's events go; from `EventWriter.recorder(controller)`."""

    def record(self, regarding: ObjectRef, note: Note) -> None:
        """Queue an event about `regarding`. Never waits, never raises."""
        ...


def merge_notes(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Join notes that share type, reason and action: their messages, each once."""
    merged: dict[tuple[str, str, str], dict[str, Note]] = {}
    for note in notes:
        merged.setdefault((note.type, note.reason, note.action), {})[note.message] = note
    return tuple(
        replace(next(iter(same.values())), message="; ".join(same)) for same in merged.values()
    )
