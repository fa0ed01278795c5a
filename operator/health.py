"""Whether the process is alive and ready, told without asking the API server.

The answers are computed in the side thread from plain values that the event loop leaves behind, so
that they come even while the loop is busy, and say so if it is stuck.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from ray_operator.operator import metrics
from ray_operator.operator.clock import Clock
from ray_operator.operator.reflector import IDLE
from ray_operator.operator.resources import Resource
from ray_operator.operator.supervisor import Supervisor

BEAT = timedelta(seconds=1)
LONGEST_TURN_SECONDS = 30.0
"""A loop that has not turned for so long will not recover by itself."""

STALE = IDLE + timedelta(seconds=60)
"""A dead stream is noticed after `IDLE` and replaced within seconds; a minute of grace for an API
server that restarts."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what is wrong with it, in words for people."""

    name: str
    problems: tuple[str, ...] = ()


class Cache(Protocol):
    """What health must know of an informer."""

    @property
    def resource(self) -> Resource:
        """The kind."""
        ...

    @property
    def is_settled(self) -> bool:
        """Whether it was filled once, or only features depend on what is missing."""
        ...

    @property
    def silence(self) -> timedelta:
        """Time since the last answer: a server that refuses would refuse a fresh process, too."""
        ...

    @property
    def age(self) -> timedelta:
        """Time since the last byte of what can be had."""
        ...


class Health:
    """Collects what can go wrong. `caches` is called at each question: informers come and go."""

    def __init__(
        self, clock: Clock, supervisor: Supervisor, caches: Callable[[], Iterable[Cache]]
    ) -> None:
        self.is_working = False
        """Set while this process leads: a follower has no caches to be fresh."""
        self._clock = clock
        self._supervisor = supervisor
        self._caches = caches
        self._beat_at = clock.monotonic()

    async def beat(self) -> None:
        """Leave a sign of life every second, and measure how late it comes."""
        while True:
            started = self._clock.monotonic()
            await self._clock.sleep(BEAT)
            self._beat_at = self._clock.monotonic()
            late = self._beat_at - started - BEAT.total_seconds()
            metrics.LOOP_LAG_SECONDS.set(max(late, 0.0))

    def liveness(self) -> tuple[Check, ...]:
        """Look at what would make the process unfit to live on."""
        return (
            Check("event-loop", tuple(self._of_loop())),
            Check("tasks", tuple(self._of_tasks())),
            Check("watches", tuple(self._of_watches())),
        )

    def readiness(self) -> tuple[Check, ...]:
        """Look at what would keep the process from its work."""
        return (*self.liveness(), Check("caches", tuple(self._of_caches())))

    def ailments(self) -> tuple[str, ...]:
        """Say what makes the process unfit to live on; nothing if it is well."""
        return tuple(problem for check in self.liveness() for problem in check.problems)

    def obstacles(self) -> tuple[str, ...]:
        """Say why the process can't do its work; nothing if it is ready."""
        return tuple(problem for check in self.readiness() for problem in check.problems)

    def _of_loop(self) -> Iterator[str]:
        silent = self._clock.monotonic() - self._beat_at
        if silent > LONGEST_TURN_SECONDS:
            yield f"the event loop has not turned for {silent:.0f} s"

    def _of_tasks(self) -> Iterator[str]:
        yield from (f"task {name} is dead" for name in self._supervisor.dead)
        yield from (f"task {name} fails again and again" for name in self._supervisor.hopeless)

    def _of_watches(self) -> Iterator[str]:
        for cache in self._caches() if self.is_working else ():
            silence = cache.silence
            if silence > STALE:
                seconds = silence.total_seconds()
                yield f"the watch of {cache.resource} is silent for {seconds:.0f} s"

    def _of_caches(self) -> Iterator[str]:
        for cache in self._caches() if self.is_working else ():
            if not cache.is_settled:
                yield f"the cache of {cache.resource} is not filled yet"
            elif cache.age > STALE >= cache.silence:
                yield f"the cache of {cache.resource} may no longer be updated"
