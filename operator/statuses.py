"""Status writes: only what changed, only when something that matters changed.

Two kinds.  Usually a merge patch of the changed fields, without a resourceVersion: nobody else
writes them, so a conflict is impossible.  A *transition* records something that must not be decided
twice (a random name, an intent, an attempt counter): it carries the resourceVersion of what it was
decided upon, and the key waits until the cache shows it (`caught_up`).
"""

from dataclasses import dataclass
from datetime import timedelta

from ray_operator.operator.clock import Clock
from ray_operator.operator.documents import JsonObject, JsonValue, get_object, get_text, merge_patch
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import Resource
from ray_operator.operator.store import View

VOLATILE = frozenset({"lastUpdateTime"})
"""Fields that say when something was written, not what: alone they are no reason to write."""

PATIENCE = timedelta(seconds=30)
"""As for expectations: a cache that is further behind will list again anyway."""


MANY = 1_000
"""From so many on, objects that were written and never asked about again are looked for."""


CATCH_UP = timedelta(milliseconds=100)
"""When to look again while our last write is not in the cache: a watch brings it within
milliseconds; this is for when it lags."""


@dataclass(frozen=True, slots=True)
class _Last:
    resource_version: str
    expiry: float


class StatusWriter:
    """Writes the status subresource by merge patch."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._last: dict[str, _Last] = {}  # by the object's UID
        self._sweep_at = MANY

    async def write(
        self,
        resource: Resource,
        view: View,
        current: JsonObject,
        desired: JsonObject,
        *,
        transition: bool = False,
    ) -> bool:
        """Make the status of `view` what `desired` says; tell whether anything was written.

        Fields at the top of `desired` are ours: `None` removes one, an absent one is left alone;
        below the top, what `desired` lacks is removed.  If nothing but `lastUpdateTime` differs,
        nothing is written.

        Raises:
            Conflict: a transition met a newer object.
            NotFound: the object is gone.
        """
        changes = status_changes(current, desired)
        if not changes:
            return False
        patch: dict[str, JsonValue] = {"status": changes}
        if transition:
            patch["metadata"] = {"resourceVersion": view.resource_version}
        written = await self._kube.patch(resource, Key(*view.key), patch, subresource="status")
        self._remember(view, get_text(get_object(written.document, "metadata"), "resourceVersion"))
        return True

    def caught_up(self, view: View) -> bool:
        """Tell whether the cache, which holds `view`, already shows our last status write.

        A key whose last transition is not in the cache yet must not decide again; it will be
        queued when the watch brings the change.  Doubt ends after 30 s.
        """
        last = self._last.get(view.uid)
        if last is None:
            return True
        if last.expiry > self._clock.monotonic() and _is_behind(view, last.resource_version):
            return False
        del self._last[view.uid]
        return True

    def _remember(self, view: View, resource_version: str) -> None:
        now = self._clock.monotonic()
        if len(self._last) >= self._sweep_at:
            self._last = {uid: last for uid, last in self._last.items() if last.expiry > now}
            self._sweep_at = max(MANY, 2 * len(self._last))
        self._last[view.uid] = _Last(resource_version, now + PATIENCE.total_seconds())


def status_changes(current: JsonObject, desired: JsonObject) -> JsonObject:
    """Return the merge patch from `current` to `desired`; {} if nothing that matters differs."""
    ours = {name: value for name, value in current.items() if name in desired}
    wanted = {
        name: value
        for name, value in desired.items()
        if value is not None or current.get(name) is not None
    }
    changes = merge_patch(ours, wanted)
    return changes if changes.keys() - VOLATILE else {}


def _is_behind(view: View, written: str) -> bool:
    """Compare versions, which are opaque by contract and integers in practice (KEP-5504)."""
    seen = view.resource_version
    if seen.isdecimal() and written.isdecimal():
        return int(seen) < int(written)
    return seen != written
