"""Events on objects (events.k8s.io/v1), written in the background."""

from dataclasses import dataclass
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
