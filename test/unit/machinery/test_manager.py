import asyncio
from datetime import timedelta

import pytest

from ray_operator.operator import metrics
from ray_operator.operator.documents import get_object, get_text
from ray_operator.operator.manager import Manager
from ray_operator.operator.resources import PODS
from ray_operator.operator.settings import Settings
from support.api_server import ApiServer, a_pod, event, listing, refusal, reply
from support.fake_clock import FakeClock
from support.informer_world import PATH, PodView, labelled, project, quiet

EVENTS = "/apis/events.k8s.io/v1/namespaces/ns/events"


async def test_an_object_that_cannot_be_read_is_told_so_in_an_event(
    server: ApiServer, clock: FakeClock
) -> None:
    server.on("GET", PATH, listing(labelled(a_pod("x", "5"), unreadable=""), a_pod("a")))
    server.on("WATCH", PATH, quiet())
    server.on("POST", EVENTS, reply({}))
    async with server.connected(clock) as kube:
        manager = Manager(kube, Settings(), clock)
        manager.watch(PODS, project)

        await manager.start()
        await server.wait_for("POST", EVENTS, 1)
        await manager.stop(finish=timedelta())

    (event,) = [r.body for r in server.requests if r.method == "POST"]
    assert isinstance(event, dict)
    assert get_text(event, "reason") == "Unreadable"
    assert get_text(get_object(event, "regarding"), "name") == "x"
    assert "this object breaks the projection" in get_text(event, "note")


async def test_a_kind_that_cannot_be_watched_shows_in_the_metrics(
    server: ApiServer, clock: FakeClock
) -> None:
    server.on("GET", PATH, refusal(403))
    async with server.connected(clock) as kube:
        manager = Manager(kube, Settings(), clock)
        manager.watch(PODS, project)

        await manager.start()
        text = metrics.render().decode()
        await manager.stop(finish=timedelta())

    assert 'ray_operator_watch_unavailable{resource="pods"} 1.0' in text
    assert 'ray_operator_watch_age_seconds{resource="pods"} 0.0' in text


async def test_a_watch_that_dies_of_a_bug_is_said_counted_and_begun_anew(
    server: ApiServer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    asked = 0

    def by_chance(_view: PodView) -> tuple[str, ...]:
        """Breaks the contract of indexers: it fails where the same view was fine before."""
        nonlocal asked
        asked += 1
        if asked == 2:
            raise ZeroDivisionError
        return ("all",)

    server.on("GET", PATH, listing(a_pod("a")), listing(a_pod("b"), version="20"))
    server.on("WATCH", PATH, quiet(event("DELETED", a_pod("a", "11"))), quiet())
    deaths = metrics.REGISTRY.get_sample_value("ray_operator_task_deaths_total") or 0
    async with server.connected(clock) as kube:
        manager = Manager(kube, Settings(), clock)
        informer = manager.watch(PODS, project, indexes={"chance": by_chance})
        await manager.start()

        async with asyncio.timeout(60):
            while [view.key.name for view in informer.store.values()] != ["b"]:
                await asyncio.sleep(0.001)
                clock.skip()
        await manager.stop(finish=timedelta())

    assert metrics.REGISTRY.get_sample_value("ray_operator_task_deaths_total") == deaths + 1
    (said,) = [r for r in caplog.records if r.getMessage() == "a background task failed"]
    assert vars(said)["fields"]["task"] == "informer 0 pods"
