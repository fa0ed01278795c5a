"""The Rays of all clusters: who is looked at, what they said, what they were told.

The reconciler says in each pass which clusters it wants watched (`follow`), reads what is known
(`view`), hands over what is to be submitted (`submit`), and lets go (`forget`).  All four return at
once.  `run` owns the tasks and must be running for anything to happen; when it is cancelled they
all end.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta

from ray_operator.controllers.dashboard.address import ClusterAddress
from ray_operator.controllers.dashboard.client import ServeClient
from ray_operator.controllers.dashboard.drain import Drain
from ray_operator.controllers.dashboard.observation import UNSEEN, Accepted, Outcome, RayView
from ray_operator.controllers.dashboard.poller import AT_REST, Pace, Poller
from ray_operator.controllers.dashboard.submitter import Submission, Submitter
from ray_operator.operator import tracing
from ray_operator.operator.clock import Clock
from ray_operator.operator.keys import Key
from ray_operator.operator.logs import Logger

log = Logger(__name__)

AFTER_FAULT = timedelta(seconds=30)
"""Rest after a fault of ours, so that one which repeats does not fill the log."""


@dataclass(slots=True)
class _Followed:
    owner: Key
    address: ClusterAddress
    poller: Poller
    submitter: Submitter
    tasks: set["asyncio.Task[None]"]
    drain: Drain | None = None


class Dashboards:
    """Everything known of Rays.

    Args:
        client: how they are asked.
        clock: the time.
        told: called with the owner's key when something changed for it.
    """

    def __init__(self, client: ServeClient, clock: Clock, told: Callable[[Key], None]) -> None:
        self._client = client
        self._clock = clock
        self._told = told
        self._followed: dict[str, _Followed] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Look and submit until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for followed in self._followed.values():
                    self._start_polling(followed)
                await asyncio.Event().wait()
            finally:
                self._group = None

    def follow(self, owner: Key, address: ClusterAddress, pace: Pace) -> None:
        """Watch a cluster for `owner`, from the given address and at the given pace."""
        followed = self._followed.get(address.uid)
        if followed is None:
            followed = self._begin(owner, address)
        if followed.address.incarnation != address.incarnation:
            followed.submitter.forget_outcome()
        followed.address = address
        followed.poller.change(address, pace)

    def view(self, cluster_uid: str) -> RayView:
        """Return what is known of a cluster, nothing if it is not followed."""
        followed = self._followed.get(cluster_uid)
        if followed is None:
            return UNSEEN
        return RayView(
            observation=followed.poller.observation,
            outcome=followed.submitter.outcome,
            submitting=followed.submitter.submitting,
            baseline=followed.poller.baseline,
            is_drained=followed.drain is not None and followed.drain.is_idle,
        )

    def submit(self, cluster_uid: str, submission: Submission) -> None:
        """Send a config to a followed cluster, unless a submission to it is under way."""
        followed = self._followed.get(cluster_uid)
        if followed is None or not followed.submitter.is_free():
            return
        address = followed.address

        async def submit() -> None:
            await _contained(followed.submitter.submit(address, submission), followed.owner)

        if self._start(followed, submit, "submit"):
            # Marked here: the task begins after this pass, and a second call may come before.
            followed.submitter.submitting = submission.config_hash

    def follow_drain(self, owner: Key, address: ClusterAddress) -> None:
        """Watch for `owner` whether a cluster that left the traffic still answers requests."""
        self.follow(owner, address, AT_REST)
        followed = self._followed[address.uid]
        if followed.drain is not None:
            followed.drain.address = address
            return
        drain = Drain(self._client, self._clock, lambda: self._told(owner))
        drain.address = address

        async def run() -> None:
            tracing.detach()
            await _contained(drain.run(), owner)

        if self._start(followed, run, "drain"):
            followed.drain = drain

    def open_breakers(self) -> int:
        """Return how many clusters' dashboards are left alone for now."""
        known = self._followed.copy()  # at one go: whoever scrapes asks in another thread
        return sum(followed.poller.is_left_alone for followed in known.values())

    def forget(self, cluster_uid: str) -> None:
        """Let go of a cluster."""
        followed = self._followed.pop(cluster_uid, None)
        if followed is None:
            return
        for task in followed.tasks:
            task.cancel()
        self._client.forget(cluster_uid)

    def keep_only(self, owner: Key, cluster_uids: frozenset[str]) -> None:
        """Let go of all of the owner's clusters but these."""
        for uid, followed in tuple(self._followed.items()):
            if followed.owner == owner and uid not in cluster_uids:
                self.forget(uid)

    def _begin(self, owner: Key, address: ClusterAddress) -> _Followed:
        def told() -> None:
            self._told(owner)

        def ended(outcome: Outcome) -> None:
            if isinstance(outcome, Accepted):
                poller.void(has_submitted=True)  # what Ray said before it took this config is void
            self._told(owner)

        poller = Poller(self._client, self._clock, told)
        submitter = Submitter(self._client, self._clock, ended)
        followed = _Followed(owner, address, poller, submitter, set())
        self._followed[address.uid] = followed
        poller.change(address, AT_REST)
        self._start_polling(followed)
        return followed

    def _start_polling(self, followed: _Followed) -> None:
        async def keep_polling() -> None:
            tracing.detach()  # the reconcile that began it will be long over
            while True:
                await _contained(followed.poller.run(), followed.owner)
                await self._clock.sleep(AFTER_FAULT)

        self._start(followed, keep_polling, "poll")

    def _start(
        self, followed: _Followed, work: Callable[[], Coroutine[None, None, None]], verb: str
    ) -> bool:
        """Run `work` as a task of the cluster's; tell whether it was started.

        It is not before `run` began and after it ended: the next pass asks again.
        """
        if self._group is None:
            return False
        name = f"{verb}-{followed.address.head.namespace}/{followed.address.head.name}"
        task = self._group.create_task(work(), name=name)
        followed.tasks.add(task)
        task.add_done_callback(followed.tasks.discard)
        return True


async def _contained(work: Coroutine[None, None, None], owner: Key) -> None:
    """Keep a fault of ours to the cluster that it happened in."""
    try:
        await work
    except Exception:
        log.exception("talking to Ray failed for an unforeseen reason", owner=str(owner))
