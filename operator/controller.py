"""Workers around one queue: the only place that knows what happens around a reconcile.

A reconciler gets a key and returns a `Result`, or raises.  Result to queue, back-off, metrics,
trace, log context, deadline and the crash guard are here, so that no reconciler mentions them.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from ray_operator.operator.keys import Key


@dataclass(frozen=True, slots=True)
class Result:
    """How a reconcile ended well.

    `check_again` asks for another turn after that time, whatever happens until then; `None`
    waits for a change.
    """

    check_again: timedelta | None = None


class Reconciler(Protocol):
    """Makes the cluster match one object."""

    async def reconcile(self, key: Key) -> Result:
        """Observe, plan, act, report on `key`; the object may be gone by now.

        Never runs twice at once for one key.

        Raises:
            Exception: the key is retried with back-off; `InvalidSpecError` waits for a change.
        """
        ...
