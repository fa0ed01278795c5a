"""One RayService, one pass: observe, plan, act, report.

Nothing here waits for Ray: what it said is read, what it is to be told is handed over.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from ray_operator.api import finalizers
from ray_operator.api.kinds import is_managed_by_us
from ray_operator.controllers.caches import Caches
from ray_operator.controllers.dashboard.dashboards import Dashboards
from ray_operator.controllers.dashboard.submitter import Submission
from ray_operator.controllers.kinds import RAYSERVICES
from ray_operator.controllers.rayservice.actions import Action, Submit, steps_of
from ray_operator.controllers.rayservice.cleanup import is_draining
from ray_operator.controllers.rayservice.following import address_of, pace_of
from ray_operator.controllers.rayservice.milestones import milestones
from ray_operator.controllers.rayservice.observe import Reading, Sources, observe
from ray_operator.controllers.rayservice.observed import Observed
from ray_operator.controllers.rayservice.plan import Plan, plan
from ray_operator.controllers.rayservice.status import Report, report
from ray_operator.controllers.rayservice.trouble import plain
from ray_operator.controllers.unseen_services import UnseenServices
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator import metrics
from ray_operator.operator.clock import Clock
from ray_operator.operator.controller import Result
from ray_operator.operator.documents import encode
from ray_operator.operator.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from ray_operator.operator.executor import Executor
from ray_operator.operator.keys import Key
from ray_operator.operator.logs import Logger
from ray_operator.operator.notes import Recorder
from ray_operator.operator.resync import Resync
from ray_operator.operator.statuses import CATCH_UP, StatusWriter
from ray_operator.operator.steps import Outcome, Step
from ray_operator.operator.writes import MergePatch

log = Logger(__name__)

LASTING = (Invalid, Forbidden, AlreadyExists)
"""Refusals that only a person can end."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a reconciler works with; each does one thing."""

    clock: Clock
    executor: Executor
    statuses: StatusWriter
    recorder: Recorder
    resync: Resync
    unseen: UnseenServices


class RayServiceReconciler:
    """Makes the cluster match RayServices; all that matters is in the API server and in Ray."""

    def __init__(
        self, tools: Tools, caches: Caches, dashboards: Dashboards, reading: Reading
    ) -> None:
        self._tools = tools
        self._caches = caches
        self._dashboards = dashboards
        self._reader = reading.reader
        self._sources = Sources(caches, dashboards, reading)
        self._unseen = tools.unseen

    async def reconcile(self, key: Key) -> Result:
        """Bring one RayService nearer to its spec; see `Reconciler.reconcile`."""
        service = self._caches.rayservice(key)
        if service is None or service.is_terminating or not is_managed_by_us(service.managed_by):
            return await self._let_go(key, service)
        if not self._tools.statuses.caught_up(service):
            return Result(check_again=CATCH_UP)
        now = self._tools.clock.now()
        seen = observe(service, self._sources)
        unseen = await self._unseen.of(service.ref, self._caches.service)
        seen = replace(seen, services=(*seen.services, *unseen))
        self._follow(key, seen, now)
        return await self._pass(service, seen, now)

    async def _pass(self, service: ResourceView, seen: Observed, now: datetime) -> Result:
        step = plan(seen, now)
        outcome = await self._tools.executor.run(service.ref, steps_of(step.actions))
        has_met = self._unseen.learn(service.key, outcome)
        self._submit(step.actions)
        told = report(seen, replace(step, refusals=_refusals(outcome)), now)
        try:
            if await self._tell(service, outcome, told):
                _measure(seen, step, told, now)
        except NotFound:
            return Result()
        except Conflict:
            # The names of the clusters met a newer object: decide again on what the watch brings.
            return Result(check_again=CATCH_UP)
        if has_met:
            return Result(check_again=CATCH_UP)  # to see what stands under the names that were met
        outcome.raise_failure()
        return self._result(service.key, step, now)

    async def _tell(self, service: ResourceView, outcome: Outcome, told: Report) -> bool:
        """Write the status, then the events; names change only after all deletions succeeded.

        Return whether the status says something new now.
        """
        notes, is_written = outcome.notes(), False
        try:
            if not (told.is_transition and outcome.failed):
                is_written = await self._tools.statuses.write(
                    RAYSERVICES,
                    service,
                    service.status(),
                    told.status,
                    transition=told.is_transition,
                )
                notes = (*notes, *told.notes)
        finally:
            for note in notes:
                self._tools.recorder.record(service.ref, note)
        return is_written

    def _follow(self, key: Key, seen: Observed, now: datetime) -> None:
        """Say whose Ray is to be looked at from now on.

        A head that was never ready is left alone: it would only refuse while it starts.
        """
        followed = set()
        for cluster in (seen.active, seen.pending):
            address = address_of(cluster) if cluster else None
            if cluster is None or address is None:
                continue
            followed.add(cluster.uid)
            if address.is_head_ready or cluster.ray.observation is not None:
                self._dashboards.follow(key, address, pace_of(cluster, seen))
        for cluster in seen.others:
            address = address_of(cluster)
            if address is not None and is_draining(cluster, now):
                followed.add(cluster.uid)
                self._dashboards.follow_drain(key, address)
        self._dashboards.keep_only(key, frozenset(followed))

    def _submit(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            if isinstance(action, Submit):
                log.info(
                    "submitting the Serve config", raycluster=action.cluster.name, why=action.why
                )
                submission = Submission(action.config_hash, encode(action.config))
                self._dashboards.submit(action.cluster.uid, submission)

    async def _let_go(self, key: Key, service: ResourceView | None) -> Result:
        """Forget a service that is gone, ending or somebody else's.

        What it owns is collected by the API server; only a finalizer of the peer's must go.
        """
        self._dashboards.keep_only(key, frozenset())
        self._reader.forget(key)
        self._unseen.forget(key)
        if service is None:
            return Result()
        if service.is_terminating:
            outcome = await self._tools.executor.run(service.ref, _without_finalizer(service))
            outcome.raise_failure()
        return Result()

    def _result(self, key: Key, step: Plan, now: datetime) -> Result:
        """Look again when something is due, and as a safety net."""
        waits = [step.check_at - now] if step.check_at else []
        if (unseen := self._unseen.wait(key)) is not None:
            waits.append(unseen)
        return Result(min(waits, default=None), resync=self._tools.resync.wait(key))


def _measure(seen: Observed, step: Plan, told: Report, now: datetime) -> None:
    reached = milestones(seen, step, told, now)
    if reached.ready_after is not None:
        metrics.SERVICE_READY_SECONDS.observe(reached.ready_after.total_seconds())
    if reached.switched_after is not None:
        metrics.SERVICE_SWITCH_SECONDS.observe(reached.switched_after.total_seconds())
    if reached.upgrade is not None:
        metrics.SERVICE_UPGRADES.labels(reached.strategy, reached.upgrade).inc()


def _refusals(outcome: Outcome) -> tuple[str, ...]:
    """Return what will fail again until somebody changes something."""
    lasting = (f for f in outcome.failed if isinstance(f.error, LASTING))
    return tuple(f"{failure.step.text}: {plain(str(failure.error))}" for failure in lasting)


def _without_finalizer(service: ResourceView) -> tuple[Step, ...]:
    if finalizers.RAY_SERVICE not in service.finalizers:
        return ()
    kept = [name for name in service.finalizers if name != finalizers.RAY_SERVICE]
    patch = MergePatch(
        RAYSERVICES,
        service.key,
        {"metadata": {"finalizers": kept}},
        resource_version=service.resource_version,
    )
    return (Step("remove the finalizer of an earlier operator", patch, "finalizer"),)
