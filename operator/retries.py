"""Which requests are sent again, and when. Used by `kube.py`; the queue retries everything else."""

from datetime import timedelta

import tenacity

from ray_operator.operator.clock import Clock
from ray_operator.operator.errors import KubeError, ServerError, TooManyRequests, Unreachable
from ray_operator.operator.ratelimits import Backoff
from ray_operator.operator.wire import Call

ATTEMPTS = 5
BACKOFF = Backoff(first=timedelta(milliseconds=100), ceiling=timedelta(seconds=5), jitter=0.5)
LONGEST_RETRY_AFTER = timedelta(seconds=30)
"""A server that wants more rest than this gets it from the queue's back-off."""


def retrying(call: Call, clock: Clock) -> tenacity.AsyncRetrying:
    """Return the loop that sends `call`: bounded, jittered, honouring Retry-After."""
    return tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        retry=tenacity.retry_if_exception(lambda error: may_repeat(call, error)),
        wait=_wait,
        sleep=lambda seconds: clock.sleep(timedelta(seconds=seconds)),
        reraise=True,
    )


def may_repeat(call: Call, error: BaseException) -> bool:
    """Decide by class: a 429 did nothing; a 5xx or silence may have done it already."""
    if isinstance(error, TooManyRequests):
        return (error.retry_after_seconds or 0) <= LONGEST_RETRY_AFTER.total_seconds()
    return call.repeatable and isinstance(error, ServerError | Unreachable)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_seconds if isinstance(error, KubeError) else None
    own = BACKOFF.delay(state.attempt_number).total_seconds()
    return max(own, min(asked or 0.0, LONGEST_RETRY_AFTER.total_seconds()))
