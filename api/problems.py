"""What is wrong with a manifest, as a value: rules yield problems, the first one is reported.

A problem is found before anything is done about the object; see `errors.InvalidSpecError` for what
is found on the way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ray_operator.api.errors import InvalidSpecError

Part = Literal["Metadata", "Spec"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule.

    `field` is the path from the top of the object, `message` says in plain words what was found and
    what was expected, `part` completes reasons such as `InvalidRayClusterSpec`.
    """

    field: str
    message: str
    part: Part = "Spec"

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"

    def as_error(self) -> InvalidSpecError:
        """Return the same as an exception."""
        return InvalidSpecError(self.field, self.message)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that is allowed and worth a Warning event, with the event's reason."""

    reason: str
    message: str


Problems = Iterator[Problem]


def of_error(error: InvalidSpecError) -> Problem:
    """Return the problem that an exception tells of."""
    return Problem(error.field, error.message)
