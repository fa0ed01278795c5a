"""What a status write of a RayCluster means for the metrics: pure.

A milestone is told by the process that wrote it down, at the moment of the write: so a restart
tells nothing twice, and what an earlier operator wrote is not told at all.
"""

from datetime import datetime, timedelta

from ray_operator.controllers.raycluster.status import READY
from ray_operator.operator.documents import JsonObject, get_texts


def time_to_ready(
    created: datetime | None, before: JsonObject, after: JsonObject, now: datetime
) -> timedelta | None:
    """Return how long the cluster took to be ready, if this write says so for the first time.

    The memory of the first time is `stateTransitionTimes`.  A cluster that was suspended in
    between tells nothing: the wait was wanted.
    """
    was = get_texts(before, "stateTransitionTimes")
    if created is None or was or READY not in get_texts(after, "stateTransitionTimes"):
        return None
    return now - created
