"""The faults of spec/python-client-faults.md, each over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ray_operator.operator.documents import JsonObject, encode, get_object, get_text
from ray_operator.operator.errors import Forbidden
from ray_operator.operator.informer import Informer
from ray_operator.operator.introduction import check_version
from ray_operator.operator.keys import Key
from ray_operator.operator.reflector import Reflector, Scope
from ray_operator.operator.resources import PODS
from support.api_server import (
    Answer,
    ApiServer,
    a_pod,
    a_status,
    bookmark,
    event,
    hung_up,
    listing,
    refusal,
    reply,
    stream,
)
from support.fake_clock import FakeClock, settle

PATH = "/api/v1/pods"


@dataclass(frozen=True, slots=True)
class PodView:
    key: Key
    uid: str
    resource_version: str


def project(document: JsonObject) -> PodView:
    metadata = get_object(document, "metadata")
    if get_text(metadata, "name") == "unreadable":
        raise ValueError("this object breaks the projection")
    return PodView(
        Key(get_text(metadata, "namespace"), get_text(metadata, "name")),
        get_text(metadata, "uid"),
        get_text(metadata, "resourceVersion"),
    )


@dataclass
class World:
    """An informer at work: what it was told, and how to make it go on."""

    server: ApiServer
    clock: FakeClock
    informer: Informer[PodView]
    told: list[str]

    @property
    def cached(self) -> dict[str, str]:
        return {view.key.name: view.resource_version for view in self.informer.store.values()}

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that comes over the network; rests pass by on the way."""
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0.001)
                self.clock.skip()


@pytest.fixture
async def world(server: ApiServer, clock: FakeClock) -> AsyncIterator[World]:
    async with server.connected(clock) as kube:
        informer = Informer(kube, PODS, project, clock=clock)
        told: list[str] = []
        informer.on_change(lambda old, new: told.append(describe(old, new)))
        async with running(informer):
            yield World(server, clock, informer, told)


@asynccontextmanager
async def running(informer: Informer[PodView]) -> AsyncIterator[None]:
    """Run an informer as soon as the test has scripted the server and waits."""
    task = asyncio.create_task(informer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def describe(old: PodView | None, new: PodView | None) -> str:
    if new is None:
        assert old is not None
        return f"deleted {old.key.name}"
    return f"{'changed' if old else 'added'} {new.key.name}"


def quiet() -> Answer:
    return stream(then="hang")


async def test_what_is_listed_and_then_watched_is_cached_and_told(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a"), a_pod("b")))
    changes = (
        event("MODIFIED", a_pod("a", "11")),
        event("DELETED", a_pod("b", "12")),
        event("ADDED", a_pod("c", "13")),
    )
    world.server.on("WATCH", PATH, stream(*changes, then="hang"))

    await world.until(lambda: "c" in world.cached)

    assert world.cached == {"a": "11", "c": "13"}
    assert world.told == ["added a", "added b", "changed a", "deleted b", "added c"]
    assert world.informer.has_synced


async def test_a_watch_starts_where_the_list_ended_and_goes_on_where_the_last_one_did(
    world: World,
) -> None:
    world.server.on("GET", PATH, listing(a_pod("a", "3"), version="10"))
    world.server.on(
        "WATCH",
        PATH,
        stream(event("ADDED", a_pod("b", "11"))),
        stream(bookmark("20")),
        quiet(),
    )

    await world.until(lambda: world.server.count("WATCH") == 3)

    watches = [r.query for r in world.server.requests if r.method == "WATCH"]
    assert [query["resourceVersion"] for query in watches] == ["10", "11", "20"]
    assert all(query["allowWatchBookmarks"] == "true" for query in watches)
    assert all(300 <= int(query["timeoutSeconds"]) <= 600 for query in watches)
    assert world.server.count("GET") == 1


@dataclass(frozen=True)
class TooOld:
    watch: Answer


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=sentence)
        for sentence, case in {
            "as the HTTP status": TooOld(refusal(410, "Expired")),
            "as an ERROR event": TooOld(stream(event("ERROR", a_status(410, "Expired")))),
            "as a bare Status in mid-stream": TooOld(stream(a_status(410, "Expired"))),
        }.items()
    ],
)
async def test_a_position_that_is_too_old_leads_to_a_new_list(world: World, case: TooOld) -> None:
    world.server.on("GET", PATH, listing(a_pod("a")), listing(a_pod("b"), version="99"))
    world.server.on("WATCH", PATH, case.watch, quiet())

    await world.until(lambda: world.server.count("WATCH") == 2)

    assert world.cached == {"b": "1"}
    assert world.server.requests[-1].query["resourceVersion"] == "99"


async def test_what_was_deleted_during_a_gap_is_told(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a"), a_pod("b")), listing(a_pod("b"), version="20"))
    world.server.on("WATCH", PATH, refusal(410), quiet())

    await world.until(lambda: world.server.count("WATCH") == 2)

    assert world.told == ["added a", "added b", "deleted a"]


async def test_a_list_that_changed_nothing_tells_nothing(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a")))
    world.server.on("WATCH", PATH, refusal(410), refusal(410), quiet())

    await world.until(lambda: world.server.count("WATCH") == 3)

    assert world.told == ["added a"]


async def test_empty_streams_are_not_asked_for_in_a_busy_loop(
    server: ApiServer, clock: FakeClock
) -> None:
    server.on("GET", PATH, listing(a_pod("a")))
    server.on("WATCH", PATH, stream())
    async with server.connected(clock) as kube:
        informer = Informer(kube, PODS, project, clock=clock)
        async with running(informer):
            await server.wait_for("WATCH", PATH, 1)
            await asyncio.sleep(0.05)

            assert server.count("WATCH") == 1
            assert clock.sleepers == 1


async def test_two_empty_streams_lead_to_a_new_list(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a")))
    world.server.on("WATCH", PATH, stream(), stream(), quiet())

    await world.until(lambda: world.server.count("WATCH") == 3)

    assert [r.method for r in world.server.requests] == ["GET", "WATCH", "WATCH", "GET", "WATCH"]


@dataclass(frozen=True)
class Broken:
    watch: Answer


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=sentence)
        for sentence, case in {
            "cut in the middle of an event": Broken(
                stream(event("ADDED", a_pod("b", "11")), b'{"type":"ADDED","obj', then="cut")
            ),
            "ended in the middle of an event": Broken(
                stream(event("ADDED", a_pod("b", "11")), b'{"type":"ADDED","obj')
            ),
            "a line that is no JSON": Broken(
                stream(event("ADDED", a_pod("b", "11")), b"not JSON\n", then="hang")
            ),
        }.items()
    ],
)
async def test_a_broken_stream_is_taken_up_again_after_its_last_event(
    world: World, case: Broken
) -> None:
    world.server.on("GET", PATH, listing())
    world.server.on(
        "WATCH", PATH, case.watch, stream(event("ADDED", a_pod("c", "12")), then="hang")
    )

    await world.until(lambda: "c" in world.cached)

    assert world.told == ["added b", "added c"]
    assert world.server.requests[-1].query["resourceVersion"] == "11"
    assert world.server.count("GET") == 1


async def test_a_stream_that_comes_byte_by_byte_is_read(world: World) -> None:

    text = encode(event("ADDED", a_pod("b", "11"))) + b"\n"
    world.server.on("GET", PATH, listing())
    world.server.on("WATCH", PATH, stream(*(bytes([byte]) for byte in text), then="hang"))

    await world.until(lambda: "b" in world.cached)


async def test_a_silent_stream_is_given_up(server: ApiServer, clock: FakeClock) -> None:
    server.on("GET", PATH, listing())
    server.on("WATCH", PATH, quiet())
    async with server.connected(clock) as kube:
        sink = Informer(kube, PODS, project, clock=clock)
        reflector = Reflector(kube, Scope(PODS), sink, clock, idle=timedelta(seconds=0.1))
        task = asyncio.create_task(reflector.run())
        world = World(server, clock, sink, [])

        await world.until(lambda: server.count("WATCH") == 3)

        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_api_server_that_is_away_is_asked_with_growing_rests(world: World) -> None:
    world.server.on("GET", PATH, hung_up())

    await world.until(lambda: world.server.count("GET") >= 10 and bool(world.informer.error))
    assert not world.informer.has_synced

    world.server.on("GET", PATH, listing(a_pod("a")))
    world.server.on("WATCH", PATH, quiet())
    await world.until(lambda: world.informer.has_synced)
    assert world.informer.error is None


async def test_a_list_whose_token_expires_begins_again(world: World) -> None:
    world.server.on(
        "GET",
        PATH,
        listing(a_pod("a"), more="2"),
        listing(a_pod("b"), more="3"),
        refusal(410, "Expired"),
        listing(a_pod("a"), more="2"),
        listing(a_pod("c"), version="20"),
    )
    world.server.on("WATCH", PATH, quiet())

    await world.until(lambda: world.informer.has_synced)

    assert world.cached == {"a": "1", "c": "1"}
    assert "deleted b" in world.told


@dataclass(frozen=True)
class Replayed:
    events: tuple[JsonObject, ...]
    want: dict[str, str]
    told: list[str]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=sentence)
        for sentence, case in {
            "an older change is ignored": Replayed(
                (event("MODIFIED", a_pod("a", "20")), event("MODIFIED", a_pod("a", "15"))),
                {"a": "20"},
                ["added a", "changed a"],
            ),
            "a repeated change is ignored": Replayed(
                (event("MODIFIED", a_pod("a", "20")), event("MODIFIED", a_pod("a", "20"))),
                {"a": "20"},
                ["added a", "changed a"],
            ),
            "the end of an earlier life is ignored": Replayed(
                (event("DELETED", a_pod("a", "20", uid="earlier")),),
                {"a": "10"},
                ["added a"],
            ),
            "a new life is an end and a beginning, though its version is lower": Replayed(
                (event("ADDED", a_pod("a", "2", uid="later")),),
                {"a": "2"},
                ["added a", "deleted a", "added a"],
            ),
            "an unknown type moves on and changes nothing": Replayed(
                (event("SURPRISE", a_pod("b", "20")),), {"a": "10"}, ["added a"]
            ),
        }.items()
    ],
)
async def test_replayed_events_change_nothing(world: World, case: Replayed) -> None:
    world.server.on("GET", PATH, listing(a_pod("a", "10")))
    world.server.on("WATCH", PATH, stream(*case.events, bookmark("99")), quiet())

    await world.until(lambda: world.server.count("WATCH") == 2)

    assert world.cached == case.want
    assert world.told == case.told


async def test_a_list_is_believed_even_if_versions_went_back(world: World) -> None:
    """As after the restore of an etcd backup."""
    world.server.on("GET", PATH, listing(a_pod("a", "50")), listing(a_pod("a", "5"), version="6"))
    world.server.on("WATCH", PATH, refusal(410), quiet())

    await world.until(lambda: world.server.count("WATCH") == 2)

    assert world.cached == {"a": "5"}


async def test_one_object_that_cannot_be_read_harms_no_other(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("unreadable"), a_pod("a")))
    world.server.on("WATCH", PATH, stream(event("ADDED", a_pod("b", "11")), then="hang"))

    await world.until(lambda: "b" in world.cached)

    assert world.cached.keys() == {"a", "b"}


async def test_one_handler_that_fails_harms_no_other(world: World) -> None:
    world.informer.on_change(fail)
    heard: list[PodView | None] = []
    world.informer.on_change(lambda _old, new: heard.append(new))
    world.server.on("GET", PATH, listing(a_pod("a"), a_pod("b")))
    world.server.on("WATCH", PATH, quiet())

    await world.until(lambda: world.informer.has_synced)

    assert len(heard) == 2


def fail(_old: PodView | None, _new: PodView | None) -> None:
    raise ValueError("this handler is broken")


async def test_a_handler_that_comes_late_is_told_of_what_there_is(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a")))
    world.server.on("WATCH", PATH, quiet())
    await world.until(lambda: world.informer.has_synced)

    told: list[str] = []
    world.informer.on_change(lambda old, new: told.append(describe(old, new)))

    assert told == ["added a"]


async def test_a_missing_permission_settles_and_is_asked_for_again(world: World) -> None:
    world.server.on("GET", PATH, refusal(403, "Forbidden", "cannot list pods"))

    await world.until(lambda: world.informer.is_unavailable)
    await asyncio.wait_for(world.informer.wait_until_settled(), 1)
    assert isinstance(world.informer.error, Forbidden)
    assert not world.informer.has_synced

    world.server.on("GET", PATH, listing(a_pod("a")))
    world.server.on("WATCH", PATH, quiet())
    await world.until(lambda: world.informer.has_synced)
    assert not world.informer.is_unavailable


async def test_without_an_essential_permission_nothing_is_settled(
    server: ApiServer, clock: FakeClock
) -> None:
    server.on("GET", PATH, refusal(403, "Forbidden", "cannot list pods"))
    async with server.connected(clock) as kube:
        informer = Informer(kube, PODS, project, clock=clock, is_essential=True)
        world = World(server, clock, informer, [])
        async with running(informer):
            await world.until(lambda: isinstance(informer.error, Forbidden))
            assert not informer.is_unavailable
            waiting = asyncio.create_task(informer.wait_until_settled())

            server.on("GET", PATH, listing(a_pod("a")))
            server.on("WATCH", PATH, quiet())
            await world.until(waiting.done)
            assert informer.has_synced


@asynccontextmanager
async def streaming(server: ApiServer, clock: FakeClock) -> AsyncIterator[World]:
    """Run an informer on a server that offers streaming lists."""
    server.on("GET", "/version", reply({"minor": "34", "gitVersion": "v1.34.4"}))
    async with server.connected(clock) as kube:
        assert await check_version(kube) == "v1.34.4"
        informer = Informer(kube, PODS, project, clock=clock)
        told: list[str] = []
        informer.on_change(lambda old, new: told.append(describe(old, new)))
        async with running(informer):
            yield World(server, clock, informer, told)


END = event(
    "BOOKMARK",
    {"metadata": {"resourceVersion": "50", "annotations": {"k8s.io/initial-events-end": "true"}}},
)


async def test_a_streaming_list_is_complete_when_the_server_says_so(
    server: ApiServer, clock: FakeClock
) -> None:
    first = stream(event("ADDED", a_pod("a")), event("ADDED", a_pod("b")), END, then="hang")
    again = stream(event("ADDED", a_pod("b")), END, then="hang")
    server.on("WATCH", PATH, first, refusal(410), again, quiet())
    async with streaming(server, clock) as world:
        await world.until(lambda: server.count("WATCH") == 4)

        assert world.informer.has_synced
        assert world.told == ["added a", "added b", "deleted a"]
    watches = [r.query for r in server.requests if r.method == "WATCH"]
    assert watches[0]["sendInitialEvents"] == "true"
    assert "resourceVersion" not in watches[0]
    assert watches[1]["resourceVersion"] == "50"
    assert "sendInitialEvents" not in watches[1]


async def test_a_streaming_list_that_is_cut_off_deletes_nothing(
    server: ApiServer, clock: FakeClock
) -> None:
    whole = stream(event("ADDED", a_pod("a")), event("ADDED", a_pod("b")), END, then="hang")
    cut = stream(event("ADDED", a_pod("a")), then="cut")
    server.on("WATCH", PATH, whole, refusal(410), cut, whole, quiet())
    async with streaming(server, clock) as world:
        await world.until(lambda: server.count("WATCH") == 5)

        assert world.told == ["added a", "added b"]


async def test_a_server_that_refuses_streaming_lists_is_asked_for_pages(
    server: ApiServer, clock: FakeClock
) -> None:
    server.on("WATCH", PATH, refusal(422, "Invalid", "sendInitialEvents is forbidden"), quiet())
    server.on("GET", PATH, listing(a_pod("a")))
    async with streaming(server, clock) as world:
        await world.until(lambda: server.count("WATCH") == 2)

        assert world.cached == {"a": "1"}


async def test_every_namespace_has_a_list_of_its_own(server: ApiServer, clock: FakeClock) -> None:
    for space in ("one", "two"):
        path = f"/api/v1/namespaces/{space}/pods"
        server.on("GET", path, listing(a_pod("a", namespace=space)))
        server.on("WATCH", path, refusal(410), quiet())
    async with server.connected(clock) as kube:
        informer = Informer(kube, PODS, project, namespaces=("one", "two"), clock=clock)
        async with running(informer):
            world = World(server, clock, informer, [])
            await world.until(lambda: server.count("WATCH") == 4)

            assert [view.key for view in informer.store.values()] == [("one", "a"), ("two", "a")]


async def test_age_is_the_silence_of_the_watch(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a")))
    world.server.on("WATCH", PATH, quiet())
    await world.until(lambda: world.informer.has_synced)
    await world.server.wait_for("WATCH", PATH, 1)
    await settle()
    before = world.informer.age

    world.clock.advance(timedelta(seconds=90))

    assert world.informer.age - before == timedelta(seconds=90)
