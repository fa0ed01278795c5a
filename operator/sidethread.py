"""A thread with an event loop of its own, for what must go on while the work is busy.

In it: the Lease (a renewal that waits for a large decode is a lost lead) and the HTTP endpoints.
"""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Self, TypeVar

T = TypeVar("T")

END_SECONDS = 5.0
"""How long the thread may take to end; it is a daemon, so that the process ends in any case."""


class SideThread:
    """Runs coroutines for another event loop; use as `async with`."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._turn, name=name, daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.run(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, END_SECONDS)
        self._loop.close()

    def start(self, work: Coroutine[object, object, T]) -> "Future[T]":
        """Begin `work` in the thread; the future tells of its end and can cancel it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def run(self, work: Coroutine[object, object, T]) -> T:
        """Run `work` in the thread and wait for its result, without blocking this loop."""
        return await asyncio.wrap_future(self.start(work))

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    @staticmethod
    async def _cancel_all() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in others if task), return_exceptions=True)
