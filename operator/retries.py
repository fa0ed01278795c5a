"""Which requests are sent again, and when. Used by `kube.py`; the queue retries everything else."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import tenacity

from ray_operator.operator.clock import Clock
from ray_operator.operator.errors import KubeError, ServerError, TooManyRequests, Unreachable
from ray_operator.operator.ratelimits import Backoff
from ray_operator.operator.wire import Call

T = TypeVar("T")

ATTEMPTS = 5
BACKOFF = Backoff(first=timedelta(milliseconds=100), ceiling=timedelta(seconds=5), jitter=0.5)
LONGEST_RETRY_AFTER = timedelta(seconds=30)
"""A server that wants more rest than this gets it from the queue's back-off."""


async def repeat(
    attempt: Callable[[Call], Awaitable[T]], call: Call, failure: KubeError, clock: Clock
) -> T:
    """Send `call` again after its first `failure`: bounded, jittered, honouring Retry-After.

    The first attempt is the caller's: a request that succeeds at once costs nothing here.
    `attempt` must be a coroutine function: tenacity takes a lambda for a blocking one.

    Raises:
        KubeError: the first failure, if it may not be repeated, or else the last.
    """
    if not may_repeat(call, failure):
        raise failure
    await clock.sleep(_rest(1, failure))
    retrying = tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS - 1),
        retry=tenacity.retry_if_exception(lambda error: may_repeat(call, error)),
        wait=_wait,
        sleep=lambda seconds: clock.sleep(timedelta(seconds=seconds)),
        reraise=True,
    )
    return await retrying(attempt, call)


def may_repeat(call: Call, error: BaseException) -> bool:
    """Decide by class: a 429 did nothing; a 5xx or silence may have done it already."""
    if isinstance(error, TooManyRequests):
        return (error.retry_after_seconds or 0) <= LONGEST_RETRY_AFTER.total_seconds()
    return call.repeatable and isinstance(error, ServerError | Unreachable)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return _rest(state.attempt_number + 1, error).total_seconds()


def _rest(failures: int, error: BaseException | None) -> timedelta:
    asked = error.retry_after_seconds if isinstance(error, KubeError) else None
    longest = min(timedelta(seconds=asked or 0), LONGEST_RETRY_AFTER)
    return max(BACKOFF.delay(failures), longest)
