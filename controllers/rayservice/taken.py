"""Names of Services that somebody else has taken.

The caches hold what is labelled as ours, so another's Service shows only when creating ours is
refused.  That is remembered for a while, in memory: whoever forgets it is refused once more.
"""

from datetime import datetime, timedelta

from ray_operator.operator.documents import get_object, get_text
from ray_operator.operator.errors import AlreadyExists
from ray_operator.operator.keys import Key
from ray_operator.operator.resources import SERVICES
from ray_operator.operator.steps import Outcome, Step
from ray_operator.operator.writes import Create

REMEMBERED = timedelta(seconds=60)
"""Nobody tells us when the name becomes free: it is tried again this often."""


class TakenNames:
    """What was refused, and when."""

    def __init__(self) -> None:
        self._refused: dict[Key, dict[str, datetime]] = {}

    def learn(self, service: Key, outcome: Outcome, now: datetime) -> None:
        """Remember the Services of a RayService that could not be created for their names."""
        for failure in outcome.failed:
            name = _created_service(failure.step)
            if name and isinstance(failure.error, AlreadyExists):
                self._refused.setdefault(service, {})[name] = now

    def of(self, service: Key, now: datetime) -> frozenset[str]:
        """Return the names that are not worth trying at present."""
        known = self._refused.get(service, {})
        return frozenset(name for name, at in known.items() if now - at < REMEMBERED)

    def forget(self, service: Key) -> None:
        """Drop what is known of a RayService that is gone."""
        self._refused.pop(service, None)


def _created_service(step: Step) -> str:
    match step.write:
        case Create(resource, manifest) if resource == SERVICES:
            return get_text(get_object(manifest, "metadata"), "name")
        case _:
            return ""
