"""The status of a RayCluster, whole where it matters and by tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ray_operator.controllers.raycluster.conditions import Facts, Setback
from ray_operator.controllers.raycluster.observed import Children, Phase
from ray_operator.controllers.raycluster.status import due, next_status
from ray_operator.controllers.views.pod import PodView
from ray_operator.operator.documents import JsonObject, copy_document, get_object, get_text
from support.builders import a_cluster, a_container, a_group, a_head, a_pod, a_template, resources
from support.observations import a_head as head_pod
from support.observations import an_observation, conditions_of

NOW = datetime(2026, 1, 1, 1, 0, tzinfo=UTC)
DEMO = a_cluster(
    head=a_head(a_template(a_container(resources=resources(cpu="2", memory="4Gi")))),
    groups=[a_group(template=a_template(a_container(resources=resources(cpu="1", memory="1Gi"))))],
)


def worker(name: str = "w0", **changes: object) -> PodView:
    return a_pod(name, **changes)  # type: ignore[arg-type]  # keywords are passed on


def test_the_status_of_the_specification_when_all_is_up() -> None:
    status = next_status(an_observation(DEMO, [head_pod(), worker()]), Facts(), NOW)
    told = {key: value for key, value in status.items() if value is not None}
    assert conditions_of(status) == {
        "Ready": ("True", "AllReady"),
        "HeadPodReady": ("True", "HeadPodRunningAndReady"),
        "RayClusterProvisioned": ("True", "AllPodRunningAndReadyFirstTime"),
        "RayClusterSuspended": ("False", "RayClusterSuspended"),
        "RayClusterSuspending": ("False", "RayClusterSuspending"),
        "SpecValid": ("True", "Valid"),
        "SpecDrift": ("False", "UpToDate"),
        "WorkersReady": ("True", "AllReady"),
    }
    del told["conditions"]
    assert told == {
        "state": "ready",
        "stateTransitionTimes": {"ready": "2026-01-01T01:00:00Z"},
        "observedGeneration": 1,
        "lastUpdateTime": "2026-01-01T01:00:00Z",
        "desiredWorkerReplicas": 1,
        "availableWorkerReplicas": 1,
        "readyWorkerReplicas": 1,
        "maxWorkerReplicas": 2147483647,
        "desiredCPU": "3",
        "desiredMemory": "5Gi",
        "desiredGPU": "0",
        "desiredTPU": "0",
        "endpoints": {
            "client": "10001",
            "dashboard": "8265",
            "dashboard-agent": "52365",
            "gcs-server": "6379",
            "metrics": "8080",
            "serve": "8000",
        },
        "head": {
            "podIP": "10.0.0.1",
            "podName": "demo-head-1",
            "serviceIP": "10.0.0.10",
            "serviceName": "demo-head-svc",
        },
    }


def test_a_status_can_be_told_of_nothing_at_all() -> None:
    status = next_status(an_observation(DEMO, children=Children()), Facts(), NOW)
    assert status["state"] is None
    assert status["head"] == {}
    assert status["endpoints"] is None
    assert conditions_of(status)["HeadPodReady"] == ("False", "HeadPodNotFound")
    assert conditions_of(status)["RayClusterProvisioned"] == ("False", "RayClusterPodsProvisioning")


def test_ready_stays_while_workers_come_and_go() -> None:
    first = next_status(an_observation(DEMO, [head_pod(), worker()]), Facts(), NOW)
    later = next_status(an_observation(DEMO, [head_pod()], status=first), Facts(), NOW)
    assert later["state"] == "ready"
    assert conditions_of(later)["RayClusterProvisioned"][0] == "True"
    assert conditions_of(later)["WorkersReady"] == ("False", "NotEnoughReady")


def test_ready_needs_exactly_the_pods_that_are_asked_for() -> None:
    pods = [head_pod(), worker(), worker("w1")]
    assert next_status(an_observation(DEMO, pods), Facts(), NOW)["state"] is None


def test_terminating_pods_are_not_available() -> None:
    pods = [head_pod(), worker(), worker("w1", terminating=True)]
    status = next_status(an_observation(DEMO, pods), Facts(), NOW)
    assert status["availableWorkerReplicas"] == 1


def test_a_suspended_cluster_says_so_and_has_no_head() -> None:
    document = {**DEMO, "spec": {**get_object(DEMO, "spec"), "suspend": True}}
    status = next_status(an_observation(document), Facts(phase=Phase.SUSPENDED), NOW)
    assert status["state"] == "suspended"
    told = conditions_of(status)
    assert told["RayClusterSuspended"][0] == "True"
    assert told["RayClusterProvisioned"][0] == "False"
    assert status["desiredWorkerReplicas"] == 1
    resumed = next_status(an_observation(DEMO, status=status), Facts(), NOW)
    assert resumed["state"] is None


def test_a_failure_is_a_condition_while_it_lasts() -> None:
    setback = Setback("FailedCreateHeadPod", 'pods "…" is forbidden: exceeded quota')
    status = next_status(an_observation(DEMO), Facts(failures=(setback,)), NOW)
    assert conditions_of(status)["ReplicaFailure"] == ("True", "FailedCreateHeadPod")
    assert "quota" in str(status["reason"])
    mended = next_status(an_observation(DEMO, status=status), Facts(), NOW)
    assert "ReplicaFailure" not in conditions_of(mended)


def test_the_heads_trouble_names_the_container() -> None:
    waiting: JsonObject = {"reason": "CreateContainerConfigError", "message": "no such ConfigMap"}
    pod = head_pod(
        phase="Pending",
        ready=False,
        containers=[{"name": "ray", "image": "i", "state": {"waiting": waiting}}],
    )
    status = next_status(an_observation(DEMO, [pod]), Facts(), NOW)
    assert conditions_of(status)["HeadPodReady"] == ("False", "CreateContainerConfigError")
    assert status["reason"] == "1x CreateContainerConfigError: no such ConfigMap"


def test_an_invalid_spec_is_told_and_the_rest_of_the_status_stays() -> None:
    first = next_status(an_observation(DEMO, [head_pod(), worker()]), Facts(), NOW)
    bad = a_cluster(groups=[a_group("headgroup")])
    observed = an_observation(bad, [head_pod(), worker()], status=first)
    status = next_status(observed, Facts(), NOW)
    assert conditions_of(status)["SpecValid"] == ("False", "InvalidSpec")
    assert "groupName" in str(status["reason"])
    assert status["state"] == "ready"


def test_what_is_not_built_yet_is_a_condition() -> None:
    observed = an_observation(a_cluster(idle={"deleteAfterSeconds": 5}))
    told = next_status(observed, Facts(), NOW)
    assert conditions_of(told)["FeaturesMissing"] == ("True", "NotBuiltYet")


def test_without_the_gate_there_are_no_conditions() -> None:
    observed = an_observation(DEMO, [head_pod(), worker()])
    observed = replace(observed, policy=replace(observed.policy, conditions=False))
    assert next_status(observed, Facts(), NOW)["conditions"] is None


def test_a_headless_service_shows_the_heads_own_address() -> None:
    observed = an_observation(DEMO, [head_pod()])
    service = replace(observed.children.services["demo-head-svc"], cluster_ip="None")
    observed = replace(observed, children=Children(services={service.name: service}))
    head = next_status(observed, Facts(), NOW)["head"]
    assert isinstance(head, dict)
    assert get_text(head, "serviceIP") == "10.0.0.1"


def up() -> JsonObject:
    status = next_status(an_observation(DEMO, [head_pod(), worker()]), Facts(), NOW)
    return copy_document(status)


def test_a_first_status_is_told_at_once() -> None:
    desired = next_status(an_observation(DEMO), Facts(), NOW)
    assert due({}, desired, NOW) == timedelta(0)


DUE = {
    "a worker has come": (
        (head_pod(), worker()),
        {"availableWorkerReplicas": 0, "readyWorkerReplicas": 0},
        timedelta(seconds=8),
    ),
    "the state has changed": ((head_pod(), worker()), {"state": None}, timedelta(0)),
    "a worker has gone": ((head_pod(),), {}, timedelta(0)),
}


@pytest.mark.parametrize(("pods", "was", "want"), DUE.values(), ids=DUE.keys())
def test_progress_can_wait_and_turns_cannot(
    pods: tuple[PodView, ...], was: JsonObject, want: timedelta
) -> None:
    current: JsonObject = {**up(), **was}
    desired = next_status(an_observation(DEMO, pods, status=current), Facts(), NOW)
    assert due(current, desired, NOW) == want


def test_progress_is_told_in_the_end() -> None:
    current: JsonObject = {**up(), "readyWorkerReplicas": 0}
    later = NOW + timedelta(seconds=9)
    observed = an_observation(DEMO, [head_pod(), worker()], status=current)
    assert due(current, next_status(observed, Facts(), later), later) == timedelta(0)
