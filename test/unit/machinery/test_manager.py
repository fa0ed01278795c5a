from datetime import timedelta

from ray_operator.operator import metrics
from ray_operator.operator.documents import get_object, get_text
from ray_operator.operator.manager import Manager
from ray_operator.operator.resources import PODS
from ray_operator.operator.settings import Settings
from support.api_server import ApiServer, a_pod, listing, refusal, reply
from support.fake_clock import FakeClock
from support.informer_world import PATH, labelled, project, quiet

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
