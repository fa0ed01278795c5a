"""What is decided about a RayCluster, as tables: what is there, and what is to be done."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from ray_operator.api import conditions as c
from ray_operator.api.conditions import Condition
from ray_operator.controllers.raycluster.actions import (
    Action,
    AnnotatePod,
    CreateChild,
    CreateHead,
    CreateToken,
    CreateWorker,
    DeleteChild,
    DeletePod,
    UpdateChild,
)
from ray_operator.controllers.raycluster.observed import (
    HEAD_LANE,
    Children,
    Observed,
    Phase,
    Policy,
    Presence,
    group_lane,
)
from ray_operator.controllers.raycluster.plan import plan
from ray_operator.controllers.views.node import NodeView
from ray_operator.controllers.views.ownership import Owner
from ray_operator.controllers.views.pod import PodView
from ray_operator.operator.documents import JsonObject, get_object, get_text
from ray_operator.operator.keys import Key
from support.builders import a_cluster, a_group, a_pod, a_template
from support.observations import a_head, a_service, an_observation, current

NOW = datetime(2026, 1, 1, 1, 0, tzinfo=UTC)
GONE: JsonObject = {"name": "ray", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}


def said(action: Action) -> str:  # noqa: PLR0911  # one return a member
    """Say an action in a few words."""
    match action:
        case CreateHead():
            return "create head"
        case CreateWorker(group, _, slot):
            return f"create {group.name} {slot.replica_index}"
        case DeletePod(pod):
            return f"delete {pod.name}"
        case AnnotatePod(pod):
            return f"annotate {pod.name}"
        case CreateChild(resource, manifest):
            return f"create {resource.kind} {get_text(get_object(manifest, 'metadata'), 'name')}"
        case UpdateChild(resource, name):
            return f"update {resource.kind} {name}"
        case DeleteChild(resource, name):
            return f"delete {resource.kind} {name}"
        case CreateToken():
            return "create token"


def decided(observed: Observed) -> list[str]:
    return sorted(said(action) for action in plan(current(observed), NOW).actions)


def worker(index: int, **changes: object) -> PodView:
    labels = {"ray.io/worker-group-replica-index": str(index)}
    return a_pod(f"w{index}", labels=labels, **changes)  # type: ignore[arg-type]  # passed on


def after(seconds: int) -> str:
    """A creation time."""
    return f"2026-01-01T00:00:{seconds:02d}Z"


@dataclass(frozen=True)
class Case:
    """`pods` are there, `spec` and `groups` are asked for, `want` is decided."""

    want: list[str]
    pods: Iterable[PodView] = ()
    groups: list[JsonObject] = field(default_factory=lambda: [a_group(replicas=2)])
    spec: dict[str, object] = field(default_factory=dict)
    seen: Callable[[Observed], Observed] = lambda observed: observed


def two_workers() -> tuple[PodView, ...]:
    return a_head(), worker(0), worker(1)


PODS: dict[str, Case] = {
    "nothing is there: the head and all workers are made at once": Case(
        want=["create head", "create small 0", "create small 1"],
    ),
    "all is there: nothing is done": Case(pods=two_workers(), want=[]),
    "a worker too few: the smallest free slot is filled": Case(
        pods=[a_head(), worker(1)],
        want=["create small 0"],
    ),
    "a terminating worker counts as gone": Case(
        pods=[a_head(), worker(0), worker(1, terminating=True)],
        want=["create small 1"],
    ),
    "a failed worker is replaced in the same pass": Case(
        pods=[a_head(), worker(0), worker(1, phase="Failed", ready=False)],
        want=["create small 1", "delete w1"],
    ),
    "a finished worker is replaced whatever its restartPolicy": Case(
        pods=[a_head(), worker(0), worker(1, phase="Succeeded", restart_policy="Always")],
        want=["create small 1", "delete w1"],
    ),
    "running, its Ray container ended for good: replaced": Case(
        pods=[a_head(), worker(0), worker(1, restart_policy="Never", containers=[GONE])],
        want=["create small 1", "delete w1"],
    ),
    "running, its Ray container will be restarted: kept": Case(
        pods=[a_head(), worker(0), worker(1, restart_policy="Always", containers=[GONE])],
        want=[],
    ),
    "pending for ever: kept": Case(
        pods=[a_head(), worker(0), worker(1, phase="Pending", ready=False)],
        want=[],
    ),
    "too many: the one without a node goes first": Case(
        groups=[a_group(replicas=1)],
        pods=[a_head(), worker(0), worker(1, phase="Pending", ready=False, node="")],
        want=["delete w1"],
    ),
    "too many: the one that is not ready goes before a younger one that is": Case(
        groups=[a_group(replicas=1)],
        pods=[a_head(), worker(0, ready=False), worker(1, created=after(9))],
        want=["delete w0"],
    ),
    "too many, all ready: the youngest goes": Case(
        groups=[a_group(replicas=1)],
        pods=[a_head(), worker(0, created=after(9)), worker(1, created=after(1))],
        want=["delete w0"],
    ),
    "too many under an autoscaler: it will say which": Case(
        groups=[a_group(replicas=0)],
        spec={"enableInTreeAutoscaling": True},
        pods=two_workers(),
        want=["create Role demo", "create RoleBinding demo", "create ServiceAccount demo"],
    ),
    "too many under an autoscaler, and the operator may choose": Case(
        groups=[a_group(replicas=1)],
        spec={"enableInTreeAutoscaling": True},
        pods=[a_head(), worker(0), worker(1, ready=False)],
        seen=lambda o: replace(o, policy=Policy(random_pod_delete=True)),
        want=[
            "create Role demo",
            "create RoleBinding demo",
            "create ServiceAccount demo",
            "delete w1",
        ],
    ),
    "workers named for deletion go, unknown names are ignored": Case(
        groups=[a_group(replicas=1, scaleStrategy={"workersToDelete": ["w0", "stranger"]})],
        pods=two_workers(),
        want=["delete w0"],
    ),
    "a head's name in a group's list is no worker": Case(
        groups=[a_group(replicas=2, scaleStrategy={"workersToDelete": ["demo-head-1"]})],
        pods=two_workers(),
        want=[],
    ),
    "a suspended group has no pods": Case(
        groups=[a_group(replicas=2, suspend=True)],
        pods=two_workers(),
        want=["delete w0", "delete w1"],
    ),
    "the cache is behind in a group: it waits, the others go on": Case(
        groups=[a_group(replicas=1), a_group("big", replicas=1)],
        pods=[a_head()],
        seen=lambda o: replace(o, unsettled=frozenset({group_lane("small")})),
        want=["create big 0"],
    ),
    "the cache is behind about the head: workers go on": Case(
        seen=lambda o: replace(o, unsettled=frozenset({HEAD_LANE})),
        want=["create small 0", "create small 1"],
    ),
    "numOfHosts 0 counts as 1": Case(
        groups=[a_group(replicas=1, numOfHosts=0)],
        pods=[a_head()],
        want=["create small 0"],
    ),
    "a lost node's pod is replaced": Case(
        pods=[a_head(), worker(0), worker(1, node="dead")],
        seen=lambda o: replace(o, nodes={"dead": a_lost_node()}, knows_nodes=True),
        want=["create small 1", "delete w1"],
    ),
}


def a_lost_node() -> NodeView:
    taints = frozenset({"node.kubernetes.io/out-of-service"})
    return NodeView(Key("", "dead"), "u", "1", False, False, taints)  # noqa: FBT003  # its fields


@pytest.mark.parametrize("case", PODS.values(), ids=PODS.keys())
def test_pods(case: Case) -> None:
    document = a_cluster(groups=case.groups, **case.spec)  # type: ignore[arg-type]  # a JSON spec
    assert decided(case.seen(an_observation(document, case.pods))) == case.want


HEADS: dict[str, Case] = {
    "two heads: the older ready one stays": Case(
        pods=[a_head("old", created=after(1)), a_head("new", created=after(2))],
        want=["delete new"],
    ),
    "two heads: the ready one stays, though younger": Case(
        pods=[a_head("old", ready=False, created=after(1)), a_head("new", created=after(2))],
        want=["delete old"],
    ),
    "a failed head goes first, a new one comes when it is gone": Case(
        pods=[a_head(phase="Failed", ready=False)],
        want=["delete demo-head-1"],
    ),
    "a terminating head is waited for": Case(pods=[a_head(terminating=True)], want=[]),
    "a terminating head on a node that is gone is not waited for": Case(
        pods=[a_head(terminating=True)],
        seen=lambda o: replace(o, knows_nodes=True),
        want=["create head"],
    ),
    "the head's ServiceAccount is missing: the head waits": Case(
        spec={
            "enableInTreeAutoscaling": True,
            "headGroupSpec": {"template": a_template(serviceAccountName="mine")},
        },
        seen=lambda o: replace(o, own_account=Presence.ABSENT),
        want=["create Role demo", "create RoleBinding demo"],
    ),
}


@pytest.mark.parametrize("case", HEADS.values(), ids=HEADS.keys())
def test_heads(case: Case) -> None:
    document = a_cluster(**case.spec)  # type: ignore[arg-type]  # a JSON spec
    assert decided(case.seen(an_observation(document, case.pods))) == case.want


def test_a_provisioned_head_does_not_come_back_where_the_user_says_so() -> None:
    document = a_cluster(
        groups=[a_group(replicas=1)],
        annotations={"ray.io/disable-provisioned-head-restart": "true"},
    )
    provisioned = Condition(c.RAY_CLUSTER_PROVISIONED, c.TRUE, "x")
    assert decided(an_observation(document)) == ["create head", "create small 0"]
    assert decided(an_observation(document, conditions=(provisioned,))) == []


def test_a_repeated_decision_gives_the_same_names() -> None:
    observed = an_observation(a_cluster(groups=[a_group(replicas=3)]))
    assert plan(observed, NOW) == plan(observed, NOW)


def test_a_replacement_has_another_name_than_its_predecessor() -> None:
    empty = an_observation(a_cluster(groups=[a_group(replicas=1)]))
    first = next(a for a in plan(empty, NOW).actions if isinstance(a, CreateWorker))
    gone = a_pod(first.name, labels={"ray.io/worker-group-replica-index": "0"}, terminating=True)
    after_it = an_observation(a_cluster(groups=[a_group(replicas=1)]), [a_head(), gone])
    second = next(a for a in plan(after_it, NOW).actions if isinstance(a, CreateWorker))
    assert second.name != first.name


def test_a_new_worker_never_bears_a_name_that_is_to_be_deleted() -> None:
    empty = an_observation(a_cluster(groups=[a_group(replicas=1)]))
    first = next(a for a in plan(empty, NOW).actions if isinstance(a, CreateWorker))
    group = a_group(replicas=1, scaleStrategy={"workersToDelete": [first.name]})
    again = plan(an_observation(a_cluster(groups=[group])), NOW)
    assert first.name not in [a.name for a in again.actions if isinstance(a, CreateWorker)]


def test_a_pass_makes_at_most_64_pods_a_group() -> None:
    decision = plan(an_observation(a_cluster(groups=[a_group(replicas=500)]), [a_head()]), NOW)
    assert sum(isinstance(action, CreateWorker) for action in decision.actions) == 64
    assert decision.check_again is not None


FAILURES = {
    "the first failure is replaced at once": (0, timedelta(0)),
    "the second waits 10 s": (1, timedelta(seconds=10)),
    "the third waits 20 s": (2, timedelta(seconds=20)),
    "no wait is longer than 5 min": (30, timedelta(minutes=5)),
}


@pytest.mark.parametrize(("failed_starts", "wait"), FAILURES.values(), ids=FAILURES.keys())
def test_a_pod_that_fails_again_and_again_waits_longer_each_time(
    failed_starts: int, wait: timedelta
) -> None:
    ended: JsonObject = {"exitCode": 1, "finishedAt": "2026-01-01T00:00:05Z"}
    pod = worker(
        0,
        phase="Failed",
        ready=False,
        annotations={"ray.io/failed-starts": str(failed_starts)},
        containers=[{"name": "ray", "state": {"terminated": ended}}],
    )
    observed = current(an_observation(a_cluster(groups=[a_group()]), [a_head(), pod]))
    failed_at = datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
    if wait:
        early = plan(observed, failed_at + wait - timedelta(seconds=1))
        assert early.actions == ()
        assert early.check_again == timedelta(seconds=1)
    actions = plan(observed, failed_at + wait).actions
    assert [said(action) for action in actions] == ["delete w0", "create small 0"]
    created = actions[1]
    assert isinstance(created, CreateWorker)
    assert created.slot.failed_starts == failed_starts + 1


def test_a_pod_that_was_ready_before_it_failed_is_replaced_without_a_count() -> None:
    ended: JsonObject = {"exitCode": 1, "startedAt": "2025-12-31T23:00:00Z"}
    pod = worker(
        0,
        phase="Failed",
        ready=False,
        annotations={"ray.io/failed-starts": "4"},
        containers=[{"name": "ray", "state": {"terminated": ended}}],
    )
    actions = plan(an_observation(a_cluster(groups=[a_group()]), [a_head(), pod]), NOW).actions
    created = next(action for action in actions if isinstance(action, CreateWorker))
    assert created.slot.failed_starts == 0


# --- multi-host groups --------------------------------------------------------------------------


def host(replica: str, number: int, **changes: object) -> PodView:
    labels = {
        "ray.io/worker-group-replica-name": replica,
        "ray.io/worker-group-replica-index": replica[-1],
        "ray.io/replica-host-index": str(number),
    }
    return a_pod(f"{replica}-{number}", labels=labels, **changes)  # type: ignore[arg-type]


SLICE = a_group(replicas=2, numOfHosts=2)
HOSTS: dict[str, Case] = {
    "whole replicas are made": Case(
        groups=[SLICE],
        pods=[a_head()],
        want=["create small 0", "create small 0", "create small 1", "create small 1"],
    ),
    "an incomplete replica goes whole and comes back whole": Case(
        groups=[SLICE],
        pods=[a_head(), host("r0", 0), host("r0", 1), host("r1", 0)],
        want=["create small 1", "create small 1", "delete r1-0"],
    ),
    "one failed host takes its replica along": Case(
        groups=[SLICE],
        pods=[
            a_head(),
            host("r0", 0),
            host("r0", 1, phase="Failed", ready=False),
            host("r1", 0),
            host("r1", 1),
        ],
        want=["create small 0", "create small 0", "delete r0-0", "delete r0-1"],
    ),
    "a host named for deletion takes its replica along": Case(
        groups=[{**SLICE, "replicas": 1, "scaleStrategy": {"workersToDelete": ["r1-0"]}}],
        pods=[a_head(), host("r0", 0), host("r0", 1), host("r1", 0), host("r1", 1)],
        want=["delete r1-0", "delete r1-1"],
    ),
    "the replica with the worst pod goes first": Case(
        groups=[{**SLICE, "replicas": 1}],
        pods=[a_head(), host("r0", 0), host("r0", 1, ready=False), host("r1", 0), host("r1", 1)],
        want=["delete r0-0", "delete r0-1"],
    ),
}


@pytest.mark.parametrize("case", HOSTS.values(), ids=HOSTS.keys())
def test_multi_host_replicas(case: Case) -> None:
    assert decided(an_observation(a_cluster(groups=case.groups), case.pods)) == case.want


def test_the_hosts_of_a_replica_share_a_name_and_are_numbered() -> None:
    actions = plan(an_observation(a_cluster(groups=[SLICE]), [a_head()]), NOW).actions
    slots = [action.slot for action in actions if isinstance(action, CreateWorker)]
    assert [slot.host_index for slot in slots] == [0, 1, 0, 1]
    assert len({slot.replica_name for slot in slots}) == 2


# --- everything around pods ---------------------------------------------------------------------


def test_services_are_made_mended_and_removed() -> None:
    document = a_cluster(annotations={"ray.io/enableAgentService": "true"})
    bare = replace(an_observation(document, [a_head()]), children=Children(services={}))
    assert decided(bare) == ["create Service demo-dashboard-svc", "create Service demo-head-svc"]
    plain = an_observation(a_cluster(), [a_head()])
    dashboard = a_service(an_observation(document).blueprint.services[1])
    live = {**plain.children.services, dashboard.name: dashboard}
    switched_off = replace(plain, children=Children(services=live))
    assert decided(switched_off) == ["delete Service demo-dashboard-svc"]
    bent = a_service(plain.blueprint.services[0], selector={"app": "other"})
    mended = replace(plain, children=Children(services={bent.name: bent}))
    assert decided(mended) == ["update Service demo-head-svc"]


def test_a_foreign_service_is_left_alone_and_told_of() -> None:
    observed = an_observation(a_cluster(), [a_head()])
    foreign = replace(a_service(observed.blueprint.services[0]), owner=Owner("App", "x", "y"))
    observed = replace(observed, children=Children(services={foreign.name: foreign}))
    decision = plan(current(observed), NOW)
    assert decision.actions == ()
    assert [note.reason for note in decision.notes] == ["FailedToCreateService"]


def test_a_service_of_a_former_cluster_of_that_name_is_waited_for() -> None:
    observed = an_observation(a_cluster(), [a_head()])
    former = a_service(observed.blueprint.services[0], owner="uid-of-the-former")
    observed = replace(observed, children=Children(services={former.name: former}))
    decision = plan(current(observed), NOW)
    assert (decision.actions, decision.notes) == ((), ())


def test_an_old_headless_service_stays_headless_and_that_is_drift() -> None:
    observed = an_observation(a_cluster(), [a_head()])
    headless = a_service(observed.blueprint.services[0], clusterIP="None")
    observed = replace(observed, children=Children(services={headless.name: headless}))
    decision = plan(current(observed), NOW)
    assert decision.actions == ()
    assert "demo-head-svc" in decision.drift[0]


def test_the_token_comes_before_pods_and_a_foreign_secret_stops_them() -> None:
    document = a_cluster(authOptions={"mode": "token"})
    absent = an_observation(document, token=Presence.ABSENT)
    assert decided(absent) == ["create head", "create token"]
    foreign = plan(an_observation(document, token=Presence.FOREIGN), NOW)
    assert foreign.actions == ()
    assert [note.reason for note in foreign.notes] == ["FailedToCreateSecret"]


def test_the_head_of_a_service_is_protected_until_its_service_lets_it_go() -> None:
    labels = {"ray.io/originated-from-crd": "RayService"}
    document = a_cluster(labels=labels)
    budget = "create PodDisruptionBudget demo-head"
    assert budget in decided(an_observation(document, [a_head()]))
    leaving = a_cluster(labels=labels, annotations={"ray.io/delete-after": "2026-01-01T00:00:00Z"})
    assert budget not in decided(an_observation(leaving, [a_head()]))


def test_an_invalid_spec_changes_nothing() -> None:
    observed = an_observation(a_cluster(groups=[a_group("headgroup")]), [worker(0)])
    assert observed.problem is not None
    assert plan(observed, NOW).actions == ()


# --- suspend, removed groups, stamps, Recreate --------------------------------------------------


def phase(type_: str) -> tuple[Condition, ...]:
    return (Condition(type_, c.TRUE, type_),)


def test_the_intent_to_suspend_is_written_before_anything_is_deleted() -> None:
    observed = an_observation(a_cluster(suspend=True), [a_head()])
    decision = plan(observed, NOW)
    assert decision.actions == ()
    assert (decision.next_phase, decision.phase_first) == (Phase.SUSPENDING, True)


def test_suspending_deletes_all_pods_whatever_the_spec_says_now() -> None:
    document = a_cluster(groups=[a_group(replicas=1)])
    observed = an_observation(
        document, [a_head(), worker(0)], conditions=phase(c.RAY_CLUSTER_SUSPENDING)
    )
    assert decided(observed) == ["delete demo-head-1", "delete w0"]


def test_suspending_deletes_a_pod_once() -> None:
    observed = an_observation(
        a_cluster(suspend=True, groups=[a_group(replicas=1)]),
        [a_head(), worker(0)],
        conditions=phase(c.RAY_CLUSTER_SUSPENDING),
        unsettled=frozenset({group_lane("small")}),
    )
    assert decided(observed) == ["delete demo-head-1"]


def test_suspended_only_when_a_live_list_is_empty() -> None:
    observed = an_observation(a_cluster(suspend=True), conditions=phase(c.RAY_CLUSTER_SUSPENDING))
    assert plan(observed, NOW).next_phase is Phase.SUSPENDING
    proven = plan(observed.with_proof(is_empty=True), NOW)
    assert proven.next_phase is Phase.SUSPENDED


def test_resuming_makes_pods_in_the_same_pass() -> None:
    document = a_cluster(groups=[a_group(replicas=1)])
    observed = an_observation(document, conditions=phase(c.RAY_CLUSTER_SUSPENDED))
    assert decided(observed) == ["create head", "create small 0"]


def test_pods_of_a_removed_group_get_half_a_minute() -> None:
    stray = a_pod("stray", group="gone")
    observed = an_observation(a_cluster(), [a_head(), stray])
    assert decided(observed) == ["annotate stray"]
    dated = a_pod(
        "stray", group="gone", annotations={"ray.io/delete-after": "2026-01-01T01:00:00Z"}
    )
    assert decided(an_observation(a_cluster(), [a_head(), dated])) == ["delete stray"]
    back = an_observation(a_cluster(groups=[a_group("gone")]), [a_head(), dated])
    assert decided(back) == ["annotate stray"]


def test_under_an_autoscaler_pods_of_a_removed_group_go_at_once() -> None:
    document = a_cluster(enableInTreeAutoscaling=True)
    observed = an_observation(document, [a_head(), a_pod("stray", group="gone")])
    assert "delete stray" in decided(observed)


def test_pods_of_the_peer_are_stamped_and_left_alone() -> None:
    theirs = {
        "ray.io/kuberay-version": "1.7.0",
        "ray.io/upgrade-strategy-recreate-hash": "NSGQJQ7ROMHO8RTGBD7Q11CU14BR481F",
    }
    document = a_cluster(groups=[a_group()], upgradeStrategy={"type": "Recreate"})
    observed = an_observation(document, [a_head(annotations=theirs), worker(0)])
    actions = plan(observed, NOW).actions
    assert sorted(map(said, actions)) == ["annotate demo-head-1", "annotate w0"]


def test_a_changed_spec_recreates_all_pods_if_asked_and_is_drift_if_not() -> None:
    old = {"ray.io/pod-spec-hash": "v1:old", "ray.io/upgrade-strategy-recreate-hash": "v1:old"}
    pods = [a_head(annotations=old), worker(0, annotations=old)]
    recreate = a_cluster(groups=[a_group()], upgradeStrategy={"type": "Recreate"})
    assert decided(an_observation(recreate, pods)) == ["delete demo-head-1", "delete w0"]
    left = plan(current(an_observation(a_cluster(groups=[a_group()]), pods)), NOW)
    assert left.actions == ()
    assert left.drift == ("head", "small: 1 of 1 pods")


def test_a_recreation_deletes_the_head_last_for_it_alone_tells_that_the_spec_has_changed() -> None:
    old = {"ray.io/upgrade-strategy-recreate-hash": "v1:old"}
    document = a_cluster(groups=[a_group()], upgradeStrategy={"type": "Recreate"})
    observed = an_observation(document, [a_head(annotations=old), worker(0)])
    *_, last = plan(current(observed), NOW).actions
    assert said(last) == "delete demo-head-1"
    assert isinstance(last, DeletePod)
    assert last.after == {"workers/small"}


def test_no_worker_is_made_for_a_head_that_is_to_go() -> None:
    old = {"ray.io/upgrade-strategy-recreate-hash": "v1:old"}
    document = a_cluster(groups=[a_group()], upgradeStrategy={"type": "Recreate"})
    lane = frozenset({"workers/other"})
    assert decided(an_observation(document, [a_head(annotations=old)], unsettled=lane)) == []


def test_what_is_not_built_yet_and_unsafe_to_skip_keeps_pods_from_being_made() -> None:
    observed = an_observation(a_cluster(networkPolicy={"mode": "DenyAll"}))
    assert decided(observed) == []
