"""Services that stand under a name that is to be ours, and that the cache does not show.

The cache holds what carries our label, so that nobody else's Services fill the memory.  What is
hidden from it (somebody else's Service, or ours that lost the label) shows when its creation meets
the name: from then on it is read by name, until the cache shows it or the name is free.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from ray_operator.controllers.views import service
from ray_operator.controllers.views.service import ServiceView
from ray_operator.operator.clock import Clock
from ray_operator.operator.documents import get_object, get_text
from ray_operator.operator.errors import AlreadyExists, KubeError
from ray_operator.operator.keys import Key, ObjectRef
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import SERVICES
from ray_operator.operator.steps import Outcome, Step
from ray_operator.operator.writes import Create

REMEMBERED = timedelta(seconds=60)
"""Nobody tells us when somebody else's Service goes: it is read again this often."""


@dataclass(frozen=True, slots=True)
class _Sight:
    view: ServiceView
    at: float


class UnseenServices:
    """What was met under which name, by owner; in memory, as whoever forgets it meets it again."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._met: dict[Key, dict[str, _Sight | None]] = {}

    def learn(self, owner: Key, outcome: Outcome) -> bool:
        """Remember the names of Services that were met when they were to be created.

        Returns:
            whether there were any, and nothing else failed: a pass that sees them is due at once.
        """
        refused = [f.step for f in outcome.failed if isinstance(f.error, AlreadyExists)]
        names = [name for step in (*outcome.met, *refused) if (name := _created_service(step))]
        for name in names:
            self._met.setdefault(owner, {})[name] = None
        is_all = sum(bool(_created_service(step)) for step in refused) == len(outcome.failed)
        return bool(names) and is_all

    async def of(
        self, owner: ObjectRef, cached: Callable[[Key], ServiceView | None]
    ) -> tuple[ServiceView, ...]:
        """Return what stands under the names that were met, unless `cached` shows it."""
        if owner.key not in self._met:
            return ()
        found = []
        for name in tuple(self._met[owner.key]):
            key = Key(owner.namespace, name)
            sight = None if cached(key) is not None else await self._look(owner, key)
            if sight is None:
                self._met[owner.key].pop(name)
            else:
                self._met[owner.key][name] = sight
                found.append(sight.view)
        if not self._met[owner.key]:
            del self._met[owner.key]
        return tuple(found)

    def wait(self, owner: Key) -> timedelta | None:
        """Return after which time to look again, though nothing is heard; `None`: no need."""
        return REMEMBERED if owner in self._met else None

    def forget(self, owner: Key) -> None:
        """Drop what is known for an owner that is gone."""
        self._met.pop(owner, None)

    async def _look(self, owner: ObjectRef, key: Key) -> _Sight | None:
        """Read it, unless it is somebody else's and was read lately; `None` if it can't be had."""
        known, now = self._met[owner.key][key.name], self._clock.monotonic()
        is_fresh = known is not None and now - known.at < REMEMBERED.total_seconds()
        if known is not None and is_fresh and known.view.owner_uid != owner.uid:
            return known
        try:
            return _Sight(service.project(await self._kube.get(SERVICES, key)), now)
        except KubeError:  # gone, or not to be had: its creation is tried again, and tells
            return None


def _created_service(step: Step) -> str:
    match step.write:
        case Create(resource, manifest) if resource == SERVICES:
            return get_text(get_object(manifest, "metadata"), "name")
        case _:
            return ""
