"""What a watch has told, and how many of it are ready."""

import pytest

from hack.bench.tracker import Tracker, pod_is_ready
from ray_operator.operator.documents import JsonObject


def a_pod(name: str, *, ready: bool, terminating: bool = False) -> JsonObject:
    """A pod as a watch tells it."""
    metadata = {"name": name} | (
        {"deletionTimestamp": "2026-01-01T00:00:00Z"} if terminating else {}
    )
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"metadata": metadata, "status": {"conditions": [condition]}}


def test_ready_pods_are_counted_once_however_often_they_are_told() -> None:
    tracker = Tracker(pod_is_ready)
    for change, ready in (("ADDED", False), ("MODIFIED", True), ("MODIFIED", True)):
        tracker.hear(change, a_pod("a", ready=ready))
    assert (len(tracker.objects), tracker.ready) == (1, 1)


def test_since_when_a_pod_is_ready_stays_until_it_is_no_more() -> None:
    tracker = Tracker(pod_is_ready)
    tracker.hear("ADDED", a_pod("a", ready=True))
    first = tracker.objects["a"].ready_at
    tracker.hear("MODIFIED", a_pod("a", ready=True))
    assert tracker.objects["a"].ready_at == first
    tracker.hear("MODIFIED", a_pod("a", ready=False))
    assert tracker.objects["a"].ready_at is None


def test_a_pod_that_terminates_or_is_gone_is_not_ready() -> None:
    tracker = Tracker(pod_is_ready)
    for name in ("a", "b"):
        tracker.hear("ADDED", a_pod(name, ready=True))
    tracker.hear("MODIFIED", a_pod("a", ready=True, terminating=True))
    tracker.hear("DELETED", a_pod("b", ready=True))
    assert (list(tracker.objects), tracker.ready) == (["a"], 0)


async def test_who_waits_in_vain_is_told_for_what() -> None:
    tracker = Tracker(pod_is_ready)
    tracker.hear("ADDED", a_pod("a", ready=False))
    with pytest.raises(TimeoutError, match=r"one pod ready \(1 objects, 0 of them ready\)"):
        await tracker.until(lambda: tracker.ready == 1, -1, "one pod ready")
