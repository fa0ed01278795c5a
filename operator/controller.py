"""Workers around one queue: the only place that knows what happens around a reconcile.

A reconciler gets a key and returns a `Result`, or raises.  Result to queue, back-off, metrics,
trace, log context, deadline and the crash guard are here, so that no reconciler mentions them.

What it promises:

- whatever a reconcile raises, or if it hangs, stays with its key: that one is retried with
  back-off, counted and logged, the other keys and the workers go on.  Only what is meant for the
  process (an interrupt, an exit) passes;
- a key is in work once at a time (`workqueue.py`), and no more keys than there are workers;
- no task ends in silence: should a worker, or who delivers delayed keys, fail of a bug in this
  library, `run` ends with that error, and the process with it.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from ray_operator.operator import metrics, tracing
from ray_operator.operator.cancellation import is_being_cancelled
from ray_operator.operator.clock import Clock
from ray_operator.operator.errors import (
    Conflict,
    Fenced,
    InvalidSpecError,
    NamespaceEnding,
    RayOperatorError,
)
from ray_operator.operator.keys import Key
from ray_operator.operator.logs import Logger, log_context
from ray_operator.operator.urgency import Urgency
from ray_operator.operator.workqueue import QueueShutDown, WorkQueue

log = Logger(__name__)

DEADLINE = timedelta(minutes=2)
"""Four writes that each wait out their 30 s: a reconcile that takes longer hangs."""

_RESULTS = ("success", "check_again", "conflict", "invalid", "error", "timeout", "bug")
"""How a reconcile ends; `bug` is an exception that nobody foresaw."""


_OVERTAKEN = (Conflict, Fenced, NamespaceEnding)
"""Someone else was faster, or leads now, or the object is about to go: no fault of anybody's, and
the caches will tell."""


class _CutOffError(TimeoutError):
    """The deadline passed; other time-outs are the reconciler's own."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a reconcile ended well.

    `check_again` asks for another turn after that time, because time alone changes something;
    `None` waits for a change.  `resync` asks for one as a safety net, which can wait in the queue.
    What a turn asks for replaces what earlier ones asked for.
    """

    check_again: timedelta | None = None
    resync: timedelta | None = None


class Reconciler(Protocol):
    """Makes the cluster match one object."""

    async def reconcile(self, key: Key) -> Result:
        """Observe, plan, act, report on `key`; the object may be gone by now.

        Never runs twice at once for one key.

        Raises:
            Exception: the key is retried with back-off; `InvalidSpecError` waits for a change.
        """
        ...


class Controller:
    """Runs a reconciler over the keys of a queue, `workers` at a time.

    Args:
        name: for logs, metrics and traces, e.g. `raycluster`.
        reconciler: the work.
        queue: where keys come from; others add to it.
        workers: how many keys may be in work at once.
        clock: measures.
        deadline: a reconcile that takes longer is cut off and counts as failed.
    """

    def __init__(  # noqa: PLR0913 - all but two have a usual value
        self,
        name: str,
        reconciler: Reconciler,
        queue: WorkQueue,
        *,
        workers: int,
        clock: Clock,
        deadline: timedelta = DEADLINE,
    ) -> None:
        self.name = name
        self.queue = queue
        self._reconciler = reconciler
        self._workers = workers
        self._clock = clock
        self._deadline = deadline
        self._seconds = metrics.RECONCILE_SECONDS.labels(name)
        self._results = {result: metrics.RECONCILES.labels(name, result) for result in _RESULTS}
        # When the turns began that run now, in monotonic seconds; read by who scrapes, too.
        self._began: dict[Key, float] = {}
        self._show_turns()

    def _show_turns(self) -> None:
        """Let those who scrape, in another thread, see what is in work at that moment."""

        def seconds() -> list[float]:
            now = self._clock.monotonic()
            return [now - began for began in self._began.copy().values()]

        name = self.name
        metrics.WORKERS.labels(name).set(self._workers)
        metrics.ACTIVE_WORKERS.labels(name).set_function(lambda: len(self._began))
        metrics.UNFINISHED_SECONDS.labels(name, name).set_function(lambda: sum(seconds()))
        metrics.LONGEST_SECONDS.labels(name, name).set_function(lambda: max(seconds(), default=0))

    async def run(self) -> None:
        """Work until the queue is shut down; keys in work are finished first.

        Raises:
            ExceptionGroup: a worker, or who delivers delayed keys, failed.
        """
        async with asyncio.TaskGroup() as group:
            delays = group.create_task(self.queue.run_delays(), name=f"{self.name} delays")
            workers = [
                group.create_task(self._work(), name=f"{self.name} worker {number}")
                for number in range(self._workers)
            ]
            await asyncio.wait(workers)
            delays.cancel()

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except QueueShutDown:
                return
            try:
                await self._turn(key)
            finally:
                self.queue.done(key)

    async def _turn(self, key: Key) -> None:
        """Reconcile once; whatever goes wrong stays with this key."""
        context = {
            "controller": self.name,
            "namespace": key.namespace,
            "name": key.name,
            "reconcile_id": secrets.token_hex(4),
        }
        started = self._began[key] = self._clock.monotonic()
        with log_context(**context):
            try:
                with tracing.span(f"reconcile {self.name}", **context):
                    result = await self._reconcile(key)
            except Exception as error:  # noqa: BLE001 - the crash guard: one key must not stop the others
                ended = self._failed(key, error)
            else:
                ended = self._succeeded(key, result)
            finally:
                del self._began[key]
        self._seconds.observe(self._clock.monotonic() - started)
        self._results[ended].inc()

    async def _reconcile(self, key: Key) -> Result:
        """Let the reconciler work, until the deadline.

        Raises:
            Exception: of the reconciler, the deadline, or whatever it waited for was cancelled.
        """
        deadline = asyncio.timeout(self._deadline.total_seconds())
        try:
            async with deadline:
                return await self._reconciler.reconcile(key)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            seconds = self._deadline.total_seconds()
            raise _CutOffError(f"cut off after {seconds:g} s: it hangs") from error
        except asyncio.CancelledError as error:
            # Nobody cancels this worker: uncaught, it would end, and the task group would take it
            # for an orderly end.
            if is_being_cancelled():
                raise
            raise RuntimeError("something that the reconcile waited for was cancelled") from error

    def _succeeded(self, key: Key, result: Result) -> str:
        self.queue.forget(key)
        self.queue.cancel_delay(key)
        if result.resync is not None:
            self.queue.add_after(key, result.resync, Urgency.ROUTINE)
        if result.check_again is None:
            return "success"
        self.queue.add_after(key, result.check_again)
        return "check_again"

    def _failed(self, key: Key, error: Exception) -> str:
        if isinstance(error, InvalidSpecError):
            self.queue.forget(key)
            log.warning("the object can't be used as it is written", error=str(error))
            return "invalid"
        retry_in = self.queue.add_rate_limited(key).total_seconds()
        causes = _causes(error)
        if all(isinstance(cause, _OVERTAKEN) for cause in causes):
            log.debug("reconcile was overtaken by events", error=str(error))
            return "conflict"
        expected = all(isinstance(cause, RayOperatorError) for cause in causes)
        text = "; ".join(_describe(cause) for cause in causes)
        tell = log.error if expected else log.exception
        tell("reconcile failed", error=text, retry_in_seconds=retry_in)
        if isinstance(error, _CutOffError):
            return "timeout"
        return "error" if expected else "bug"


def _causes(error: Exception) -> Sequence[Exception]:
    if not isinstance(error, ExceptionGroup):
        return (error,)
    return [cause for member in error.exceptions for cause in _causes(member)]


def _describe(error: Exception) -> str:
    return str(error) or type(error).__name__
