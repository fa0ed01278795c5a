"""How many requests to Rays may be under way at once.

At most `TOTAL` overall, and of those only `TOTAL - RESERVED` to clusters that did not answer last
time (or were never asked): hundreds of hung dashboards leave connections free for the healthy ones.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

TOTAL = 100
"""Open connections to Rays (operator.md 6.1)."""
RESERVED = 20
"""Of those, kept for clusters that answered last time (rulings.md 24)."""
PER_CLUSTER = 2
"""Ray's dashboard is one Python process beside the user's work: it is not to be crowded."""
PER_ROUND = 10
"""Of the pods of one cluster, each of which is asked for itself: a few dead ones must not take the
time of all, nor a large cluster the connections of the others."""


class Admission:
    """Hands out permissions to send; waits when there is none to hand out."""

    def __init__(self, total: int = TOTAL, reserved: int = RESERVED) -> None:
        self._all = asyncio.Semaphore(total)
        self._doubtful = asyncio.Semaphore(total - reserved)
        self._clusters: dict[Hashable, asyncio.Semaphore] = {}
        self._answering: set[Hashable] = set()

    @asynccontextmanager
    async def permission(
        self, cluster: Hashable, at_once: int = PER_CLUSTER
    ) -> AsyncIterator[None]:
        """Hold one permission to send to `cluster` while the body runs; it has `at_once`."""
        own = self._clusters.setdefault(cluster, asyncio.Semaphore(at_once))
        async with own:
            if cluster in self._answering:
                async with self._all:
                    yield
            else:
                async with self._doubtful, self._all:
                    yield

    def answered(self, cluster: Hashable, *, well: bool) -> None:
        """Remember whether the cluster gave an answer of any kind."""
        if well:
            self._answering.add(cluster)
        else:
            self._answering.discard(cluster)

    def forget(self, cluster: Hashable) -> None:
        """Drop what is remembered of a cluster that is gone."""
        self._answering.discard(cluster)
        self._clusters.pop(cluster, None)
