"""The only writer of what the controllers plan (besides status and events)."""

from dataclasses import dataclass, field

from ray_operator.operator.events import Note
from ray_operator.operator.keys import ObjectRef
from ray_operator.operator.writes import Write


@dataclass(frozen=True, slots=True)
class Step:
    """One planned write and how to speak of it.

    `text` is what a person reads in the log and in a preview ("create worker pod x").  Steps of
    one `lane` run in the given order; a lane starts when the lanes it `needs` have succeeded.
    `done` and `failed` are the events that tell of the outcome; `None` tells nobody.
    """

    text: str
    write: Write
    lane: str
    needs: frozenset[str] = field(default=frozenset())
    done: Note | None = None
    failed: Note | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that did not succeed, and why."""

    step: Step
    error: Exception


@dataclass(frozen=True, slots=True)
class Warned:
    """A step that succeeded with warnings of the API server (an unknown field was dropped)."""

    step: Step
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the steps. Each step is in exactly one of done, failed, skipped."""

    done: tuple[Step, ...] = ()
    failed: tuple[Failure, ...] = ()
    skipped: tuple[Step, ...] = ()
    warned: tuple[Warned, ...] = ()

    def notes(self) -> tuple[Note, ...]:
        """Return the events to record: one per reason, listing what it happened to."""
        raise NotImplementedError

    def raise_failure(self) -> None:
        """Raise the failures, if any, so that the queue retries: alone, or as a group."""
        raise NotImplementedError


class Executor:
    """Sends the writes of a pass: in parallel where it may be, bounded where it must be."""

    async def run(self, owner: ObjectRef, steps: tuple[Step, ...]) -> Outcome:
        """Send `steps` on behalf of `owner`; never raises for a failed step."""
        raise NotImplementedError
