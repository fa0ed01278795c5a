"""Planned writes and what became of them, as values; `executor.py` carries them out."""

from dataclasses import dataclass, field, replace

from ray_operator.operator.notes import Note, merge_notes
from ray_operator.operator.writes import Write


@dataclass(frozen=True, slots=True)
class Step:
    """One planned write and how to speak of it.

    `text` is what a person reads in the log and in a preview ("create worker pod x").  Steps of
    one `lane` run in the given order; a lane starts when the lanes it `needs` have succeeded
    (a lane without steps has nothing to fail).  `done` and `failed` are the events that tell of
    the outcome; `None` tells nobody.
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
    """What became of the steps. Each step is in exactly one of done, failed, skipped.

    `met` are those of the done creations that met an object of the same owner under their name: it
    need not be as wanted.
    """

    done: tuple[Step, ...] = ()
    failed: tuple[Failure, ...] = ()
    skipped: tuple[Step, ...] = ()
    warned: tuple[Warned, ...] = ()
    met: tuple[Step, ...] = ()

    def notes(self) -> tuple[Note, ...]:
        """Return the events to record: one per reason, listing what it happened to."""
        told = [step.done for step in self.done if step.done]
        told += [
            replace(failure.step.failed, message=f"{failure.step.failed.message}: {failure.error}")
            for failure in self.failed
            if failure.step.failed
        ]
        return merge_notes(told)

    def raise_failure(self) -> None:
        """Raise the failures, if any, so that the queue retries.

        Raises:
            Exception: the only failure.
            ExceptionGroup: several.
        """
        errors = [failure.error for failure in self.failed]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("writes failed", errors)
