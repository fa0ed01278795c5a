import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from ray_operator.operator import metrics
from ray_operator.operator.events import NOTE_BYTES, QUEUED, EventWriter
from ray_operator.operator.keys import ObjectRef
from ray_operator.operator.notes import Note
from support.api_server import ApiServer, refusal, reply
from support.fake_clock import FakeClock

PATH = "/apis/events.k8s.io/v1/namespaces/ns/events"
CLUSTER = ObjectRef("ray.io/v1", "RayCluster", "ns", "cluster", "uid", "7")
NOTE = Note("Normal", "CreatedHeadPod", "Create", "Created head pod ns/a")


@pytest.fixture
async def writer(server: ApiServer, clock: FakeClock) -> AsyncIterator[EventWriter]:
    server.on("POST", PATH, reply({}))
    async with server.connected(clock) as kube:
        writer = EventWriter(kube, clock, "operator-0")
        task = asyncio.create_task(writer.run())
        yield writer
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def flush(writer: EventWriter) -> None:
    await asyncio.wait_for(writer.flush(), 5)


async def test_an_event_says_who_did_what_to_whom(server: ApiServer, writer: EventWriter) -> None:
    writer.recorder("raycluster-controller").record(CLUSTER, NOTE)
    await flush(writer)

    body = server.requests[0].body
    assert isinstance(body, dict)
    metadata = body.pop("metadata")
    assert isinstance(metadata, dict)
    assert metadata["namespace"] == "ns"
    assert str(metadata["name"]).startswith("cluster.")
    assert body == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Normal",
        "reason": "CreatedHeadPod",
        "action": "Create",
        "note": "Created head pod ns/a",
        "regarding": {
            "apiVersion": "ray.io/v1",
            "kind": "RayCluster",
            "namespace": "ns",
            "name": "cluster",
            "uid": "uid",
            "resourceVersion": "7",
        },
        "reportingController": "raycluster-controller",
        "reportingInstance": "operator-0",
    }


async def test_the_same_event_becomes_a_series(
    server: ApiServer, writer: EventWriter, clock: FakeClock
) -> None:
    recorder = writer.recorder("c")
    recorder.record(CLUSTER, NOTE)
    await flush(writer)
    created = server.requests[0].body
    assert isinstance(created, dict)
    metadata = created["metadata"]
    assert isinstance(metadata, dict)
    path = f"{PATH}/{metadata['name']}"
    server.on("PATCH", path, reply({}))

    clock.advance(timedelta(minutes=9))
    recorder.record(CLUSTER, NOTE)
    await flush(writer)

    assert server.count("POST") == 1
    assert server.requests[-1].path == path
    assert server.requests[-1].body == {
        "series": {"count": 2, "lastObservedTime": "2026-01-01T00:09:00.000000Z"}
    }


async def test_after_ten_minutes_it_is_a_new_event(
    server: ApiServer, writer: EventWriter, clock: FakeClock
) -> None:
    recorder = writer.recorder("c")
    recorder.record(CLUSTER, NOTE)
    await flush(writer)
    clock.advance(timedelta(minutes=10))
    recorder.record(CLUSTER, NOTE)
    await flush(writer)

    assert server.count("POST") == 2


async def test_events_about_other_objects_or_lives_are_other_events(
    server: ApiServer, writer: EventWriter
) -> None:
    recorder = writer.recorder("c")
    for regarding in (CLUSTER, replace(CLUSTER, uid="later"), replace(CLUSTER, uid="other")):
        recorder.record(regarding, NOTE)
    recorder.record(CLUSTER, replace(NOTE, message="another"))
    await flush(writer)

    assert server.count("POST") == 4


async def test_an_event_that_is_refused_is_dropped_and_the_next_one_is_written(
    server: ApiServer, writer: EventWriter
) -> None:
    server.on("POST", PATH, refusal(403, "Forbidden"), reply({}))
    recorder = writer.recorder("c")
    recorder.record(CLUSTER, NOTE)
    recorder.record(CLUSTER, replace(NOTE, message="another"))
    await flush(writer)

    assert server.count("POST") == 2


async def test_a_long_message_is_cut_at_a_character(server: ApiServer, writer: EventWriter) -> None:
    writer.recorder("c").record(CLUSTER, replace(NOTE, message="ü" * 2000))
    await flush(writer)

    body = server.requests[0].body
    assert isinstance(body, dict)
    note = str(body["note"])
    assert len(note.encode()) <= NOTE_BYTES
    assert note.endswith("ü...")


async def test_when_too_many_wait_the_oldest_is_dropped_and_counted(
    server: ApiServer, clock: FakeClock
) -> None:
    async with server.connected(clock) as kube:
        writer = EventWriter(kube, clock, "operator-0")  # not running: nothing is taken
        before = metrics.REGISTRY.get_sample_value("ray_operator_events_dropped_total") or 0
        for number in range(QUEUED + 3):
            writer.recorder("c").record(CLUSTER, replace(NOTE, message=str(number)))

        after = metrics.REGISTRY.get_sample_value("ray_operator_events_dropped_total") or 0
        assert after - before == 3
