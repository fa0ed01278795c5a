"""Whether single objects exist that nobody may list: Secrets, and users' ServiceAccounts.

Read by name and remembered for a while, so that a cluster at rest asks once per resync.
"""

from dataclasses import dataclass
from datetime import timedelta

from ray_operator.controllers.raycluster.observed import Presence
from ray_operator.controllers.views.ownership import controller_of
from ray_operator.operator.clock import Clock
from ray_operator.operator.documents import get_object
from ray_operator.operator.errors import KubeError, NotFound
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.logs import Logger
from ray_operator.operator.resources import Resource

log = Logger(__name__)

_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Memory:
    presence: Presence
    at: float


class Existence:
    """Looks objects up and remembers those that exist."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._memory: dict[tuple[Resource, Key, str], _Memory] = {}

    async def of(
        self,
        resource: Resource,
        key: Key,
        owner_uid: str,
        max_age: timedelta,
    ) -> Presence:
        """Return whether the object exists and whose it is, known for at most `max_age`.

        What can't be found out is UNKNOWN, never an error: nothing else may wait for it.
        """
        place = (resource, key, owner_uid)
        remembered = self._memory.get(place)
        now = self._clock.monotonic()
        if remembered is not None and now - remembered.at <= max_age.total_seconds():
            return remembered.presence
        presence = await self._look(resource, key, owner_uid)
        self._remember(place, presence, now)
        return presence

    async def _look(self, resource: Resource, key: Key, owner_uid: str) -> Presence:
        try:
            document = await self._kube.get(resource, key, wants_all=False)
        except NotFound:
            return Presence.ABSENT
        except KubeError as error:
            log.warning("cannot look an object up", object=f"{resource} {key}", error=str(error))
            return Presence.UNKNOWN
        owner = controller_of(get_object(document, "metadata"))
        is_ours = owner is not None and owner.uid == owner_uid
        return Presence.OURS if is_ours else Presence.FOREIGN

    def _remember(self, place: tuple[Resource, Key, str], presence: Presence, now: float) -> None:
        if presence in {Presence.ABSENT, Presence.UNKNOWN}:
            self._memory.pop(place, None)
            return
        if len(self._memory) >= _MOST_REMEMBERED:
            self._memory.clear()
        self._memory[place] = _Memory(presence, now)
