"""Background tasks that must never end quietly.

A task that fails is logged, counted and restarted after a rest.  One that keeps failing makes the
process unhealthy, so that the kubelet restarts it as a whole.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from ray_operator.operator import metrics
from ray_operator.operator.cancellation import is_being_cancelled
from ray_operator.operator.clock import Clock
from ray_operator.operator.logs import Logger
from ray_operator.operator.ratelimits import Backoff

log = Logger(__name__)

REST = Backoff(first=timedelta(seconds=1), ceiling=timedelta(seconds=30))
FORGIVEN_SECONDS = 60.0
"""A task that has run for so long is sound again."""
HOPELESS = 5
"""Failures in a row, half a minute in all, after which only a fresh process may help."""


class Supervisor:
    """Starts tasks, restarts those that fail, and ends them all together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, int] = {}
        self._started: dict[str, float] = {}

    @property
    def hopeless(self) -> tuple[str, ...]:
        """The tasks that fail again and again; safe in any thread."""
        sound = self._clock.monotonic() - FORGIVEN_SECONDS
        failures = self._failures.copy()  # at one go, so that no new name comes between
        return tuple(
            name
            for name, count in failures.items()
            if count >= HOPELESS and self._started[name] > sound
        )

    @property
    def dead(self) -> tuple[str, ...]:
        """The tasks that are not kept running any more, though nobody stopped them."""
        return tuple(name for name, task in self._tasks.copy().items() if task.done())

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep `run` running under `name` until `stop`."""
        if name in self._tasks:
            raise ValueError(f"a task named {name} runs already")
        self._tasks[name] = asyncio.create_task(self._keep_running(name, run), name=name)

    async def stop(self) -> None:
        """Cancel all tasks and wait for their end."""
        tasks = tuple(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            started = self._started[name] = self._clock.monotonic()
            try:
                await run()
            except asyncio.CancelledError:
                # Our own end, unless what the task waited for was cancelled: that is a failure.
                if is_being_cancelled():
                    raise
                log.exception("a background task was cancelled by what it waited for", task=name)
            except Exception as error:
                log.exception("a background task failed", task=name, error=str(error))
            else:
                log.error("a background task ended, though it should not", task=name)
            metrics.TASK_DEATHS.inc()
            lived = self._clock.monotonic() - started
            self._failures[name] = (
                1 if lived >= FORGIVEN_SECONDS else self._failures.get(name, 0) + 1
            )
            await self._clock.sleep(REST.delay(self._failures[name]))
