"""Kills the operator around its N-th write, as SIGKILL would, as seen from the API server.

Everything before the N-th write takes effect, nothing after it; the N-th itself does not
(`KillBefore`), or does, and its answer never arrives (`KillAfter`).  From that instant on the
operator reaches nobody.  The test then starts another one behind another proxy.
"""

import asyncio
from collections.abc import Callable

from faults.exchange import Answer, Asked, Cut, Forward
from faults.faults import Fault, on_writes


class _Kill(Fault):
    def __init__(self, word: str, nth: int) -> None:
        super().__init__(f"killed {word} write {nth}", on_writes)
        self.nth = nth
        self.died = asyncio.Event()
        self.seen = 0
        self.victim = ""
        """The write at which it happened, in words."""
        self.sever: Callable[[], None] = lambda: None
        """The proxy's; set when the fault is injected."""

    async def answer(self, asked: Asked, forward: Forward) -> Answer:
        self.seen += 1
        if self.seen != self.nth:
            return await forward(asked)
        self.acted += 1
        self.victim = str(asked)
        self.sever()
        self.died.set()
        await self.die(asked, forward)
        raise Cut

    async def die(self, asked: Asked, forward: Forward) -> None:
        """Do what becomes of the last write."""
        raise NotImplementedError


class KillBefore(_Kill):
    """The N-th write is lost, and the operator is dead. `died` tells when."""

    def __init__(self, nth: int) -> None:
        super().__init__("before", nth)

    async def die(self, _asked: Asked, _forward: Forward) -> None:
        """Lose it."""


class KillAfter(_Kill):
    """The N-th write takes effect, its answer is lost, and the operator is dead."""

    def __init__(self, nth: int) -> None:
        super().__init__("after", nth)

    async def die(self, asked: Asked, forward: Forward) -> None:
        """Let it take effect."""
        await forward(asked)


Kill = KillBefore | KillAfter
