"""What to do about a RayService: a pure function of what is seen and the time.

Two kinds of step never mix in one pass.  Either the names of the clusters change: then they are
written to the status, and all else waits for the pass that reads them there.  Or they don't: then
every policy adds its actions.  So whatever is created or deleted, its name was written first.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ray_operator.api import conditions
from ray_operator.controllers.rayservice.actions import (
    Action,
    AnnotateCluster,
    AppendGroups,
    CreateCluster,
    DeleteCluster,
    DeleteService,
    Submit,
)
from ray_operator.controllers.rayservice.cleanup import clean_up
from ray_operator.controllers.rayservice.cleanup import next_look as next_clean_up
from ray_operator.controllers.rayservice.clusters import built_from, cluster_manifest
from ray_operator.controllers.rayservice.desired import Desired, Strategy
from ray_operator.controllers.rayservice.health import next_look as next_health_look
from ray_operator.controllers.rayservice.observed import ClusterSeen, Names, Observed
from ray_operator.controllers.rayservice.readiness import assigned_config, why_not_switchable
from ray_operator.controllers.rayservice.serve import assign, next_try, submit
from ray_operator.controllers.rayservice.serving import label_pods
from ray_operator.controllers.rayservice.state import (
    State,
    initializing_deadline,
    state_of,
)
from ray_operator.controllers.rayservice.traffic import (
    conflicts,
    direct,
    is_switched,
    is_switching,
    own_services,
    target_of,
    wanted_services,
)
from ray_operator.controllers.rayservice.upgrade import (
    Abandon,
    Append,
    Begin,
    Decision,
    Drift,
    Keep,
    Restamp,
    decide,
)
from ray_operator.operator.documents import get_objects
from ray_operator.operator.notes import Note


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass does.

    `names` is what the status is to say about the clusters; `notes` are the events of that change.
    `check_at` is when to look again even if nothing is heard.  `waits_for` says what keeps the
    pending cluster from taking over, `drift` what is not applied, "" for nothing.
    `conflicts` are the names of Services that are somebody else's, `refusals` what the API server
    said against the actions once they were tried.  `is_settled` says of a
    suspension that nothing is left.
    """

    state: State
    names: Names
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    check_at: datetime | None = None
    waits_for: str = ""
    drift: str = ""
    conflicts: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    is_settled: bool = False


def plan(seen: Observed, now: datetime) -> Plan:
    """Plan one pass."""
    state = state_of(seen, now)
    return PLANS[state](seen, now)


def _plan_running(seen: Observed, now: datetime) -> Plan:
    decision = decide(seen, now, is_switching=is_switching(seen))
    if (turn := _turn(seen, decision)) is not None:
        return turn
    pending = seen.pending
    waits_for = _waits_for(seen)
    target = target_of(seen, is_pending_switchable=pending is not None and not waits_for)
    services = wanted_services(seen, target) if target else ()
    if pending is not None and is_switching(seen) and is_switched(seen, services):
        return _promotion(seen)
    submissions = [a for c in _named(seen) for a in submit(c, assigned_config(c, seen), now)]
    return Plan(
        State.RUNNING,
        seen.names,
        actions=(
            *_create(seen, now),
            *_in_place(decision, seen),
            *assign(seen, decision),
            *submissions,
            *(a for c in _named(seen) for a in label_pods(c, excludes_head=_excludes_head(seen))),
            *direct(seen, services),
            *clean_up(seen, now),
        ),
        check_at=_next_look(seen, now),
        notes=tuple(a.event for a in submissions if isinstance(a, Submit) and a.event),
        waits_for=waits_for,
        drift=decision.reason if isinstance(decision, Drift) else "",
        conflicts=conflicts(seen, services),
    )


def _next_look(seen: Observed, now: datetime) -> datetime | None:
    """Return when time alone changes what is to be done."""
    times = (
        *(next_try(cluster) for cluster in _named(seen)),
        next_clean_up(seen, now),
        initializing_deadline(seen),
        next_health_look(seen, now),
    )
    return min((at for at in times if at is not None and at > now), default=None)


def _turn(seen: Observed, decision: Decision) -> Plan | None:
    """Return the plan that changes the names of the clusters, if they are to change."""
    active = seen.names.active if seen.active is not None else ""
    match decision:
        case Begin(reason, is_recreate):
            names = Names("" if is_recreate else active, seen.fresh_name)
            why = f"preparing RayCluster {seen.fresh_name}: {reason}"
            note = Note("Normal", "PreparingNewCluster", "Create", why)
            gone = (seen.pending, seen.active) if is_recreate else (seen.pending,)
            return _renamed(names, why, gone, (note,))
        case Abandon():
            why = f"RayCluster {active} is what the spec asks for again"
            return _renamed(Names(active), why, (seen.pending,))
        case Keep() | Append() | Restamp() | Drift():
            return None


def _renamed(
    names: Names,
    why: str,
    gone: Iterable[ClusterSeen | None],
    notes: tuple[Note, ...] = (),
) -> Plan:
    """A cluster that never served goes at once, before its name is forgotten."""
    deletions = (DeleteCluster(c.ref, why) for c in gone if c is not None)
    return Plan(State.RUNNING, names, actions=tuple(deletions), notes=notes)


def _promotion(seen: Observed) -> Plan:
    text = f"requests go to RayCluster {seen.names.pending} now"
    if seen.names.active:
        text += f", no longer to {seen.names.active}"
    note = Note("Normal", "SwitchedTraffic", "Update", text)
    return Plan(State.RUNNING, Names(active=seen.names.pending), notes=(note,))


def _create(seen: Observed, now: datetime) -> Iterable[Action]:
    desired = seen.desired
    if not isinstance(desired, Desired) or not seen.names.pending or seen.pending is not None:
        return ()
    if desired.strategy is Strategy.RECREATE and seen.others and not seen.names.active:
        return ()  # the old cluster's resources are needed first
    return (CreateCluster(cluster_manifest(seen, desired, now)),)


def _in_place(decision: Decision, seen: Observed) -> Iterable[Action]:
    desired = seen.desired
    if not isinstance(desired, Desired):
        return ()
    match decision:
        case Append(cluster, groups):
            whole = (*get_objects(cluster.cluster.spec, "workerGroupSpecs"), *groups)
            return (AppendGroups(cluster.ref, whole, built_from(desired)),)
        case Restamp(cluster):
            return (
                AnnotateCluster(
                    cluster.ref, built_from(desired), why="its spec is unchanged, its hash is ours"
                ),
            )
        case _:
            return ()


def _waits_for(seen: Observed) -> str:
    if seen.pending is None:
        return f"RayCluster {seen.names.pending} is to be created" if seen.names.pending else ""
    return why_not_switchable(
        seen.pending,
        excludes_head=_excludes_head(seen),
        config=assigned_config(seen.pending, seen),
    )


def _plan_suspending(seen: Observed, _now: datetime) -> Plan:
    """Forget the names first; delete only what nobody names any more."""
    if seen.names != Names() or not seen.has(conditions.SUSPENDING):
        return Plan(State.SUSPENDING, Names())
    is_gone = not seen.clusters and not own_services(seen)
    return Plan(State.SUSPENDING, Names(), actions=tuple(_delete_all(seen)), is_settled=is_gone)


def _plan_suspended(seen: Observed, _now: datetime) -> Plan:
    """Nothing is to exist; what was on its way when the suspension ended is deleted now."""
    return Plan(State.SUSPENDED, Names(), actions=tuple(_delete_all(seen)))


def _plan_timed_out(seen: Observed, _now: datetime) -> Plan:
    if seen.names != Names():
        return Plan(State.TIMED_OUT, Names())
    deletions = _delete_clusters(seen, "the service did not become ready in time")
    return Plan(State.TIMED_OUT, Names(), actions=tuple(deletions))


def _delete_all(seen: Observed) -> Iterable[Action]:
    yield from _delete_clusters(seen, "the service is suspended")
    for service in own_services(seen):
        if not service.is_terminating:
            yield DeleteService(service.key, service.uid)


def _delete_clusters(seen: Observed, why: str) -> Iterable[Action]:
    return (DeleteCluster(c.ref, why) for c in seen.clusters if not c.is_terminating)


def _named(seen: Observed) -> tuple[ClusterSeen, ...]:
    """The pending cluster first: what it is told must not wait for the active one."""
    return tuple(c for c in (seen.pending, seen.active) if c is not None)


def _excludes_head(seen: Observed) -> bool:
    return isinstance(seen.desired, Desired) and seen.desired.excludes_head


PLANS: Mapping[State, Callable[[Observed, datetime], Plan]] = {
    State.RUNNING: _plan_running,
    State.SUSPENDING: _plan_suspending,
    State.SUSPENDED: _plan_suspended,
    State.TIMED_OUT: _plan_timed_out,
}
