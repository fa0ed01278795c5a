"""Sends Serve configs to one cluster, one at a time, and remembers how the last one ended.

A submission never holds a worker: `submit` returns at once, the request runs beside the queue with
the client's deadline, and its outcome is there in a later pass.  While one is under way another is
not begun (Ray would apply the two in any order): whoever wants it asks again in the next pass,
which the end of the first one causes.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from ray_operator.controllers.dashboard.address import ClusterAddress
from ray_operator.controllers.dashboard.client import ServeClient
from ray_operator.controllers.dashboard.errors import DashboardError, RejectedError
from ray_operator.controllers.dashboard.observation import (
    Accepted,
    Failure,
    Outcome,
    Refused,
    Unanswered,
)
from ray_operator.operator.clock import Clock

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(seconds=30)
JITTER = 0.2
"""Share of a pause that chance may add or take."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A Serve config as Ray gets it (JSON), and the hash that we know it by."""

    config_hash: str
    body: bytes


class Submitter:
    """One cluster's submissions.

    Args:
        told: called without arguments when one has ended.
        chance: numbers in [0, 1), for the jitter of the pauses.
    """

    def __init__(
        self,
        client: ServeClient,
        clock: Clock,
        told: Callable[[Outcome], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.outcome: Outcome | None = None
        self.submitting = ""
        self._client = client
        self._clock = clock
        self._told = told
        self._chance = chance
        self._failures = 0

    def is_free(self) -> bool:
        """Tell whether nothing is under way."""
        return not self.submitting

    def forget_outcome(self) -> None:
        """Drop what an earlier head answered."""
        self.outcome = None
        self._failures = 0

    async def submit(self, cluster: ClusterAddress, submission: Submission) -> None:
        """Send the config and keep the outcome; the caller has seen that nothing is under way."""
        self.submitting = submission.config_hash
        try:
            outcome = await self._outcome(cluster, submission)
        finally:
            self.submitting = ""
        self.outcome = outcome
        self._told(outcome)

    async def _outcome(self, cluster: ClusterAddress, submission: Submission) -> Outcome:
        config_hash = submission.config_hash
        try:
            await self._client.deploy(cluster, submission.body)
        except RejectedError as error:
            self._failures = 0
            return Refused(config_hash, cluster.head_uid, self._clock.now(), error.text)
        except DashboardError as error:
            retry_at = self._clock.now() + self._pause()
            failure = Failure(error.trouble, error.message)
            return Unanswered(config_hash, cluster.head_uid, retry_at, failure)
        self._failures = 0
        return Accepted(config_hash, cluster.head_uid, cluster.head_restarts, self._clock.now())

    def _pause(self) -> timedelta:
        doubled = FIRST_PAUSE * (1 << min(self._failures, 10))
        self._failures += 1
        return min(doubled, LONGEST_PAUSE) * (1 + JITTER * (2 * self._chance() - 1))
