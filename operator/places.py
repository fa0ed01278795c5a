"""A bounded number of places for writes under way, given to owners in turn.

- *Bounded*: never more than `total` at once; what is beyond waits here, not at the rate limiter and
  the connections, which serve first come first.
- *Fair*: of n owners that wait, each gets every n-th place that becomes free: a cluster with a
  thousand pods to create delays another one's Service by the writes under way, not by its thousand.
- *No namespace holds all*: at most `most` are one namespace's, so that requests that hang there
  (an admission webhook) hold up nobody else's.

Belongs to the event loop's thread.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ray_operator.operator.keys import Key
from ray_operator.operator.rotation import Rotation


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    owner: Key
    granted: asyncio.Future[None]


class Places:
    """Use as `async with places.of(owner)`.

    While a place is free, whoever waits does so because their namespace holds its share.
    """

    def __init__(self, total: int, most: int) -> None:
        self._free = total
        self._most = most
        self._held: Counter[str] = Counter()  # by namespace
        self._waiting: Rotation[Key, _Waiter] = Rotation()

    @asynccontextmanager
    async def of(self, owner: Key) -> AsyncIterator[None]:
        """Hold one place for `owner`, waiting for it if need be."""
        if self._free and self._may_hold_more(owner):
            self._hold(owner)
        else:
            await self._wait(owner)
        try:
            yield
        finally:
            self._give_back(owner)

    async def _wait(self, owner: Key) -> None:
        waiter = _Waiter(owner, asyncio.get_running_loop().create_future())
        self._waiting.add(owner, waiter)
        try:
            await waiter.granted
        except asyncio.CancelledError:
            self._waiting.remove(owner, waiter)
            if not waiter.granted.cancelled():  # granted and cancelled at once
                self._give_back(owner)
            raise

    def _hold(self, owner: Key) -> None:
        self._free -= 1
        self._held[owner.namespace] += 1

    def _give_back(self, owner: Key) -> None:
        self._free += 1
        self._held[owner.namespace] -= 1
        if not self._held[owner.namespace]:
            del self._held[owner.namespace]
        self._grant()

    def _grant(self) -> None:
        while self._free:
            waiter = self._waiting.take(self._may_hold_more)
            if waiter is None:
                return
            if not waiter.granted.done():
                self._hold(waiter.owner)
                waiter.granted.set_result(None)

    def _may_hold_more(self, owner: Key) -> bool:
        return self._held[owner.namespace] < self._most
