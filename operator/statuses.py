"""Status writes: only what changed, only when something that matters changed."""

from ray_operator.operator.documents import JsonObject
from ray_operator.operator.resources import Resource
from ray_operator.operator.store import View


class StatusWriter:
    """Writes the status subresource by merge patch."""

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
        nothing is written.  A `transition` (a random name, an intent, an attempt counter)
        carries the view's resourceVersion, so that it can't be based on something stale.

        Raises:
            Conflict: a transition met a newer object.
            NotFound: the object is gone.
        """
        raise NotImplementedError

    def caught_up(self, view: View) -> bool:
        """Tell whether the cache, which holds `view`, already shows our last status write.

        A key whose last transition is not in the cache yet must not decide again; it will be
        queued when the watch brings the change.  Doubt ends after 30 s.
        """
        raise NotImplementedError
