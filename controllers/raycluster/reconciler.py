"""Makes the cluster match one RayCluster: observe, plan, act, report."""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from ray_operator.api.kinds import is_managed_by_us
from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.controllers.manifests import authentication
from ray_operator.controllers.raycluster import release
from ray_operator.controllers.raycluster.actions import (
    TOKEN_LANE,
    Action,
    CreateHead,
    CreateToken,
    CreateWorker,
    DeletePod,
    Rendering,
    child_lane,
    failure_reason,
    render,
)
from ray_operator.controllers.raycluster.conditions import Facts, Setback
from ray_operator.controllers.raycluster.decision import Plan, sooner
from ray_operator.controllers.raycluster.milestones import time_to_ready
from ray_operator.controllers.raycluster.news import news, obstacle_text
from ray_operator.controllers.raycluster.observe import Observer
from ray_operator.controllers.raycluster.observed import Observed, Phase
from ray_operator.controllers.raycluster.plan import plan
from ray_operator.controllers.raycluster.status import due, next_status
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator import metrics
from ray_operator.operator.clock import Clock
from ray_operator.operator.controller import Result
from ray_operator.operator.documents import get_object, get_text
from ray_operator.operator.errors import Conflict, KubeError, NotFound
from ray_operator.operator.executor import Executor
from ray_operator.operator.keys import Key
from ray_operator.operator.notes import Note, Recorder
from ray_operator.operator.resources import PODS, SERVICEACCOUNTS
from ray_operator.operator.resync import Resync
from ray_operator.operator.statuses import CATCH_UP, StatusWriter, status_changes
from ray_operator.operator.steps import Outcome, Warned
from ray_operator.operator.writes import Create, Delete, Write

CONTROLLER = "raycluster-controller"
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class RayClusterReconciler:
    """Reconciles RayClusters; all state is in the API server."""

    observer: Observer
    executor: Executor
    statuses: StatusWriter
    recorder: Recorder
    clock: Clock
    resync: Resync

    async def reconcile(self, key: Key) -> Result:
        """Do one pass over one RayCluster.

        Raises:
            Exception: a write failed; the status has been written all the same.
        """
        view = self.observer.caches.raycluster(key)
        if view is None:
            self.observer.expectations.forget(key)
            self.observer.unseen.forget(key)
            return Result()
        if view.is_terminating:
            return await self._let_go(view)
        if not is_managed_by_us(view.managed_by):
            return Result()
        if not self.statuses.caught_up(view):
            return Result(check_again=CATCH_UP)
        seen = await self.observer.observe(view)
        return await self._pass(view, seen, self.clock.now())

    async def _pass(self, view: ResourceView, seen: Observed, now: datetime) -> Result:
        decided = plan(seen, now)
        outcome = await self._act(view, seen, decided)
        try:
            status_wait = await self._report(view, seen, decided, outcome)
        except NotFound:
            return Result()
        except Conflict:
            # A transition met a newer object: decide again on what the watch brings.
            return Result(check_again=CATCH_UP)
        if self.observer.unseen.learn(view.key, outcome):
            return Result(check_again=CATCH_UP)  # to see what stands under the names that were met
        outcome.raise_failure()
        # A lane that waits for the cache goes on when its patience ends, even if nothing is heard.
        patience = self.observer.expectations.wait(view.key)
        unseen = self.observer.unseen.wait(view.key)
        again = sooner(decided.check_again, status_wait, patience, unseen)
        return Result(again, resync=self.resync.wait(view.key))

    async def _act(self, view: ResourceView, seen: Observed, decided: Plan) -> Outcome:
        if not decided.actions:
            return Outcome()
        how = Rendering(
            cluster=seen.cluster,
            options=seen.policy.build,
            token=_fresh_token() if CreateToken() in decided.actions else "",
            head_needs=_head_needs(seen),
        )
        return await self.executor.run(view.ref, [render(a, how) for a in decided.actions])

    async def _report(
        self,
        view: ResourceView,
        seen: Observed,
        decided: Plan,
        outcome: Outcome,
    ) -> timedelta | None:
        """Write the status, then tell; return when a status that can wait is due."""
        now = self.clock.now()
        facts = Facts(
            phase=decided.next_phase or Phase.RUNNING,
            failures=_setbacks(decided.actions, outcome),
            drift=decided.drift,
            obstacle=obstacle_text(decided, outcome),
        )
        desired = next_status(seen, facts, now)
        told = (*outcome.notes(), *_warnings(outcome.warned))
        if status_changes(seen.status, desired):
            if wait := due(seen.status, desired, now):
                self._tell(view, told)
                return wait
            try:
                await self.statuses.write(
                    RAYCLUSTERS, view, seen.status, desired, transition=decided.phase_first
                )
            except KubeError:
                self._tell(view, told)  # it was done, whether or not the status says so
                raise
            ready_after = time_to_ready(view.created, seen.status, desired, now)
            if ready_after is not None:
                metrics.CLUSTER_READY_SECONDS.observe(ready_after.total_seconds())
        self._tell(view, (*news(seen, decided), *told))
        return None

    def _tell(self, view: ResourceView, notes: tuple[Note, ...]) -> None:
        for note in notes:
            self.recorder.record(view.ref, note)

    async def _let_go(self, view: ResourceView) -> Result:
        if not release.is_held(view):
            return Result()
        cluster = self.observer.drawings.of(view).cluster
        outcome = await self.executor.run(view.ref, [release.release(view, cluster)])
        self._tell(view, outcome.notes())
        outcome.raise_failure()
        return Result()


def _fresh_token() -> str:
    return base64.b64encode(secrets.token_bytes(_TOKEN_BYTES)).decode()


def _head_needs(seen: Observed) -> frozenset[str]:
    """Return the lanes that must have succeeded before the head's pod is worth creating."""
    needs = set()
    if authentication.needs_secret(seen.cluster, seen.policy.build):
        needs.add(TOKEN_LANE)
    if seen.cluster.has_autoscaler:
        needs.add(child_lane(SERVICEACCOUNTS, seen.cluster.account_name))
    return frozenset(needs)


def _setbacks(actions: tuple[Action, ...], outcome: Outcome) -> tuple[Setback, ...]:
    """Return which pods could not be made or deleted, one setback a reason."""
    reasons = {_pod_name(action): failure_reason(action) for action in actions}
    found: dict[str, Setback] = {}
    for failure in outcome.failed:
        name = _written_name(failure.step.write)
        if reason := reasons.get(name):
            # Names are made up anew for each try: with them the message would never rest.
            text = str(failure.error).replace(name, "…")
            found.setdefault(reason, Setback(reason, text))
    return tuple(found.values())


def _written_name(write: Write) -> str:
    match write:
        case Create(resource, manifest) if resource == PODS:
            return get_text(get_object(manifest, "metadata"), "name")
        case Delete(resource, key) if resource == PODS:
            return key.name
        case _:
            return ""


def _pod_name(action: Action) -> str:
    match action:
        case CreateHead(name) | CreateWorker(_, name):
            return name
        case DeletePod(pod):
            return pod.name
        case _:
            return ""


def _warnings(warned: tuple[Warned, ...]) -> tuple[Note, ...]:
    return tuple(
        Note("Warning", "PodTemplateWarning", "Validate", text)
        for text in dict.fromkeys(text for each in warned for text in each.texts)
    )
