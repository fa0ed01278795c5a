"""Lists as streams (KEP-3157), and servers that don't have them, or not for every kind."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from ray_operator.operator.introduction import check_version
from support.api_server import (
    ApiServer,
    a_pod,
    bookmark,
    event,
    hung_up,
    listing,
    refusal,
    reply,
    stream,
)
from support.fake_clock import FakeClock
from support.informer_world import PATH, World, quiet, the_end, watching


@pytest.fixture
async def world(server: ApiServer, clock: FakeClock) -> AsyncIterator[World]:
    async with watching(server, clock, streams_lists=True) as world:
        yield world


@pytest.mark.parametrize(("minor", "want"), [("33", False), ("34", True), ("35+", True)])
async def test_streaming_lists_are_asked_for_where_the_version_has_them(
    server: ApiServer, *, minor: str, want: bool
) -> None:
    server.on("GET", "/version", reply({"minor": minor, "gitVersion": f"v1.{minor}.4"}))
    async with server.connected() as kube:
        assert await check_version(kube) == f"v1.{minor}.4"
        assert kube.streams_lists == want


async def test_a_streaming_list_is_complete_when_the_server_says_so_and_goes_on_as_a_watch(
    world: World,
) -> None:
    first = [event("ADDED", a_pod("a")), event("ADDED", a_pod("b")), the_end()]
    world.server.on("WATCH", PATH, quiet(*first, event("MODIFIED", a_pod("a", "51"))))

    await world.until(lambda: world.cached == {"a": "51", "b": "1"})

    assert world.informer.has_synced
    assert world.told == ["added a", "added b", "changed a"]
    (asked,) = world.server.requests
    assert asked.query["sendInitialEvents"] == "true"
    assert asked.query["resourceVersionMatch"] == "NotOlderThan"
    assert "resourceVersion" not in asked.query


async def test_objects_are_used_before_the_list_is_complete(world: World) -> None:
    world.server.on("WATCH", PATH, quiet(event("ADDED", a_pod("a"))))

    await world.until(lambda: world.cached == {"a": "1"})

    assert not world.informer.has_synced


async def test_a_new_list_is_a_stream_again_and_tells_what_was_deleted(world: World) -> None:
    first = stream(event("ADDED", a_pod("a")), event("ADDED", a_pod("b")), the_end())
    again = quiet(event("ADDED", a_pod("b")), the_end("60"))
    world.server.on("WATCH", PATH, first, refusal(410), again)

    await world.until(lambda: len(world.told) == 3)

    assert world.told == ["added a", "added b", "deleted a"]
    assert world.positions == ["", "50", ""]


async def test_what_is_deleted_while_the_list_streams_is_not_in_it(world: World) -> None:
    events = [event("ADDED", a_pod("a")), event("ADDED", a_pod("b")), event("DELETED", a_pod("a"))]
    world.server.on("WATCH", PATH, quiet(*events, the_end()))

    await world.until(lambda: world.informer.has_synced)

    assert world.cached == {"b": "1"}
    assert world.told == ["added a", "added b", "deleted a"]


async def test_a_streaming_list_may_come_in_any_order(world: World) -> None:
    events = [event("ADDED", a_pod("a", "40")), event("ADDED", a_pod("b", "3"))]
    world.server.on("WATCH", PATH, quiet(*events, the_end()))

    await world.until(lambda: world.informer.has_synced)

    assert world.cached == {"a": "40", "b": "3"}


async def test_a_streaming_list_that_breaks_deletes_nothing_and_is_followed_by_pages(
    world: World,
) -> None:
    whole = stream(event("ADDED", a_pod("a")), event("ADDED", a_pod("b")), the_end())
    cut = stream(event("ADDED", a_pod("a")), then="cut")
    world.server.on("WATCH", PATH, whole, refusal(410), cut, refusal(410), whole, quiet())
    world.server.on("GET", PATH, listing(a_pod("a"), a_pod("b"), version="70"))

    await world.until(lambda: len(world.positions) == 6)

    assert world.told == ["added a", "added b"]
    assert world.positions == ["", "50", "", "70", "", "50"]
    assert world.asked == ["WATCH", "WATCH", "WATCH", "GET", "WATCH", "WATCH", "WATCH"]


async def test_a_server_that_is_away_does_not_end_streaming_lists(world: World) -> None:
    world.server.on("WATCH", PATH, refusal(429), hung_up(), quiet(the_end()))
    world.server.on("GET", PATH, hung_up())

    await world.until(lambda: world.informer.has_synced)

    assert world.asked[:2] == ["WATCH", "WATCH"]
    assert world.asked[-1] == "WATCH"


@pytest.mark.parametrize("status", [400, 422])
async def test_a_kind_without_streaming_lists_is_asked_for_pages_and_never_again_for_a_stream(
    world: World, status: int
) -> None:
    no = refusal(status, "Invalid", "sendInitialEvents is forbidden")
    world.server.on("WATCH", PATH, no, refusal(410), quiet())
    world.server.on("GET", PATH, listing(a_pod("a")))

    await world.until(lambda: world.server.count("WATCH") == 3)

    assert world.cached == {"a": "1"}
    assert world.asked == ["WATCH", "GET", "WATCH", "GET", "WATCH"]
    assert world.kube.streams_lists, "other kinds may have them"


async def test_who_may_list_but_not_watch_gets_pages(world: World) -> None:
    world.server.on("WATCH", PATH, refusal(403))
    world.server.on("GET", PATH, listing(a_pod("a")))

    await world.until(lambda: world.asked.count("GET") == 2)

    assert world.informer.has_synced
    assert not world.informer.is_unavailable


async def test_a_server_that_ignores_the_wish_is_asked_for_pages(world: World) -> None:
    """It sends what there is, too, but does not say where that ends."""
    world.server.on("WATCH", PATH, quiet(event("ADDED", a_pod("a")), bookmark("10")), quiet())
    world.server.on("GET", PATH, listing(a_pod("a"), a_pod("b")))

    await world.until(lambda: world.informer.has_synced)

    assert world.asked[:2] == ["WATCH", "GET"]
    assert world.cached == {"a": "1", "b": "1"}


async def test_a_server_that_ignores_the_wish_and_has_no_bookmarks_is_asked_for_pages(
    server: ApiServer, clock: FakeClock
) -> None:
    server.on("WATCH", PATH, quiet(event("ADDED", a_pod("a"))), quiet())
    server.on("GET", PATH, listing(a_pod("a"), a_pod("b")))
    idle = timedelta(seconds=0.1)
    async with watching(server, clock, streams_lists=True, idle=idle) as world:
        await world.until(lambda: world.informer.has_synced)

        assert world.asked[:2] == ["WATCH", "GET"]
