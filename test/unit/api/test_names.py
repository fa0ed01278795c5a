"""Names of children: the vectors, and the budget that keeps every name within its limit."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ray_operator.api import kinds, names
from support.vectors import read_vectors

VECTORS = read_vectors("names")


def _cron_child_name(cron: str, tick: str) -> str:
    return names.cron_child_name(cron, datetime.fromisoformat(tick))


CALLS: dict[str, Callable[..., str]] = {
    "check_name": names.check_name,
    "check_label": names.check_label,
    "route_name": names.route_name,
    "head_pod_prefix": names.head_pod_prefix,
    "worker_pod_prefix": names.worker_pod_prefix,
    "rayservice_cluster_name": names.rayservice_cluster_name,
    "suffix": names.suffix,
    "cron_child_name": _cron_child_name,
}


@pytest.mark.parametrize(
    "case",
    VECTORS["cases"],
    ids=lambda case: f"{case['call']}({', '.join(case['args'])})",
)
def test_a_name_is_what_the_vectors_say(case: dict[str, Any]) -> None:
    assert CALLS[case["call"]](*case["args"]) == case["want"]


def test_the_suffix_alphabet_is_that_of_the_vectors() -> None:
    assert VECTORS["alphabet"] == names.SUFFIX_ALPHABET


def test_a_replacement_pod_gets_another_name_and_a_repeated_decision_the_same() -> None:
    slot = names.PodSlot("u", "small")
    first, again, replacement = slot.seed(), slot.seed(), slot.seed(predecessor_uid="p")

    assert names.worker_pod_name("demo", "small", first) == names.worker_pod_name(
        "demo", "small", again
    )
    assert names.suffix(first) != names.suffix(replacement)


def test_the_longest_names_leave_their_children_within_the_limits() -> None:
    cluster = "c" * kinds.RAY_CLUSTER.longest_name
    service = "s" * kinds.RAY_SERVICE.longest_name
    job = "j" * kinds.RAY_JOB.longest_name
    cron = "n" * kinds.RAY_CRON_JOB.longest_name
    tick = datetime(2100, 1, 1, tzinfo=UTC)
    longest_service_name = 63

    assert len(names.head_service(cluster)) <= longest_service_name
    assert len(names.serve_service(cluster)) <= longest_service_name
    assert len(names.headless_worker_service(cluster)) <= longest_service_name
    assert len(names.rayservice_cluster_name(service, "abcde")) <= kinds.RAY_CLUSTER.longest_name
    assert len(names.rayjob_cluster_name(job, "uid", 1)) <= kinds.RAY_CLUSTER.longest_name
    assert len(names.cron_child_name(cron, tick)) <= kinds.RAY_JOB.longest_name


@pytest.mark.parametrize("namespace", ["n" * 51, "n" * 63])
def test_a_route_in_a_namespace_that_leaves_no_room_still_has_a_name(namespace: str) -> None:
    assert names.route_name("demo-head-route", namespace) == "r"


def test_a_rayjob_names_cluster_and_submission_apart_for_each_attempt() -> None:
    made = {
        names.rayjob_cluster_name("job", "uid", 1),
        names.rayjob_cluster_name("job", "uid", 2),
        names.rayjob_submission_id("job", "uid", 1),
        names.rayjob_submission_id("job", "uid", 2),
    }
    assert len(made) == 4
