"""What an informer promises about its store, and about what it tells."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ray_operator.operator import metrics
from ray_operator.operator.documents import JsonObject
from ray_operator.operator.informer import LONGEST_HANDLER_SECONDS, Unreadable
from ray_operator.operator.keys import Key
from ray_operator.operator.resources import NODES
from support.api_server import ApiServer, a_pod, bookmark, event, listing, refusal, stream
from support.fake_clock import FakeClock
from support.informer_world import PATH, PodView, World, describe, labelled, quiet, watching


@pytest.fixture
async def world(server: ApiServer, clock: FakeClock) -> AsyncIterator[World]:
    async with watching(server, clock) as world:
        yield world


async def test_what_is_listed_and_then_watched_is_cached_and_told(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a"), a_pod("b")))
    changes = (
        event("MODIFIED", a_pod("a", "11")),
        event("DELETED", a_pod("b", "12")),
        event("ADDED", a_pod("c", "13")),
    )
    world.server.on("WATCH", PATH, quiet(*changes))

    await world.until(lambda: "c" in world.cached)

    assert world.cached == {"a": "11", "c": "13"}
    assert world.told == ["added a", "added b", "changed a", "deleted b", "added c"]
    assert world.informer.has_synced


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
            "a repeated addition is ignored": Replayed(
                (event("ADDED", a_pod("b", "11")), event("ADDED", a_pod("b", "11"))),
                {"a": "10", "b": "11"},
                ["added a", "added b"],
            ),
            "a repeated change is ignored": Replayed(
                (event("MODIFIED", a_pod("a", "20")), event("MODIFIED", a_pod("a", "20"))),
                {"a": "20"},
                ["added a", "changed a"],
            ),
            "a repeated deletion is ignored": Replayed(
                (event("DELETED", a_pod("a", "20")), event("DELETED", a_pod("a", "20"))),
                {},
                ["added a", "deleted a"],
            ),
            "the end of an earlier life is ignored": Replayed(
                (event("DELETED", a_pod("a", "20", uid="earlier")),),
                {"a": "10"},
                ["added a"],
            ),
            "a new life is an end and a beginning": Replayed(
                (event("ADDED", a_pod("a", "20", uid="later")),),
                {"a": "20"},
                ["added a", "deleted a", "added a"],
            ),
            "an unknown type moves on and changes nothing": Replayed(
                (event("SURPRISE", a_pod("b", "20")),), {"a": "10"}, ["added a"]
            ),
        }.items()
    ],
)
async def test_each_difference_is_told_once(world: World, case: Replayed) -> None:
    world.server.on("GET", PATH, listing(a_pod("a", "10")))
    world.server.on("WATCH", PATH, stream(*case.events, bookmark("99")), quiet())

    await world.until(lambda: world.server.count("WATCH") == 2)

    assert world.cached == case.want
    assert world.told == case.told
    assert world.positions == ["10", "99"]


# -- objects that can't be read


def broken(pod: JsonObject) -> JsonObject:
    return labelled(pod, unreadable="")


def unindexable(pod: JsonObject) -> JsonObject:
    return labelled(pod, label="unindexable")


async def test_one_object_that_cannot_be_read_harms_no_other(world: World) -> None:
    world.server.on("GET", PATH, listing(broken(a_pod("x")), a_pod("a")))
    world.server.on("WATCH", PATH, quiet(event("ADDED", a_pod("b", "11"))))

    await world.until(lambda: "b" in world.cached)

    assert world.cached.keys() == {"a", "b"}


async def test_an_object_that_cannot_be_read_is_told_of_once_a_version(world: World) -> None:
    found: list[Unreadable] = []
    world.informer.on_unreadable(found.append)
    world.server.on("GET", PATH, listing(broken(a_pod("x", "5"))))
    again = event("MODIFIED", broken(a_pod("x", "11")))
    world.server.on("WATCH", PATH, quiet(again, again, event("ADDED", a_pod("end", "12"))))

    await world.until(lambda: "end" in world.cached)

    assert [(each.ref.key, each.ref.resource_version) for each in found] == [
        (Key("ns", "x"), "5"),
        (Key("ns", "x"), "11"),
    ]
    assert found[-1].error == "this object breaks the projection"
    assert world.informer.unreadable == {Key("ns", "x"): found[-1]}
    assert b'ray_operator_unreadable_objects{resource="pods"} 1.0' in metrics.render()


@pytest.mark.parametrize("spoil", [broken, unindexable])
async def test_an_object_that_cannot_be_read_any_more_does_not_look_deleted(
    world: World, spoil: Callable[[JsonObject], JsonObject]
) -> None:
    """Or its children would be made a second time, or be taken for orphans."""
    good = labelled(a_pod("x", "5"), label="good")
    spoilt = spoil(a_pod("x", "11"))
    world.server.on("GET", PATH, listing(good), listing(spoilt, version="20"))
    world.server.on("WATCH", PATH, stream(event("MODIFIED", spoilt)), refusal(410), quiet())

    await world.until(lambda: world.positions == ["10", "11", "20"])

    assert world.cached == {"x": "5"}
    assert world.told == ["added x"]
    assert world.informer.store.by_index("label", "good") == world.informer.store.values()
    assert world.informer.store.by_index("label", "unindexable") == ()
    assert world.informer.unreadable.keys() == {Key("ns", "x")}


async def test_an_object_that_can_be_read_again_is_as_any_other(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("x", "5")))
    events = (event("MODIFIED", broken(a_pod("x", "11"))), event("MODIFIED", a_pod("x", "12")))
    world.server.on("WATCH", PATH, quiet(*events))

    await world.until(lambda: world.cached == {"x": "12"})

    assert world.told == ["added x", "changed x"]
    assert world.informer.unreadable == {}
    assert b'ray_operator_unreadable_objects{resource="pods"} 0.0' in metrics.render()


async def test_the_end_of_an_object_that_cannot_be_read_is_told(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("x", "5"), a_pod("y", "6")), listing(version="30"))
    world.server.on(
        "WATCH",
        PATH,
        stream(
            event("MODIFIED", broken(a_pod("x", "11"))),
            event("MODIFIED", broken(a_pod("y", "12"))),
            event("DELETED", broken(a_pod("x", "13"))),
        ),
        refusal(410),
        quiet(),
    )

    await world.until(lambda: world.positions == ["10", "13", "30"])

    assert world.told == ["added x", "added y", "deleted x", "deleted y"]
    assert world.informer.unreadable == {}


async def test_another_life_that_cannot_be_read_ends_the_one_before(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("x", "5")))
    later = broken(a_pod("x", "11", uid="later"))
    world.server.on("WATCH", PATH, quiet(event("ADDED", later)))

    await world.until(lambda: bool(world.informer.unreadable))

    assert world.told == ["added x", "deleted x"]


# -- handlers


def fail(_old: PodView | None, _new: PodView | None) -> None:
    raise ValueError("this handler is broken")


async def test_one_handler_that_fails_harms_no_other_and_is_named(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.informer.on_change(fail)
    heard: list[PodView | None] = []
    world.informer.on_change(lambda _old, new: heard.append(new))
    world.server.on("GET", PATH, listing(a_pod("a"), a_pod("b")))
    world.server.on("WATCH", PATH, quiet())

    await world.until(lambda: world.informer.has_synced)

    assert len(heard) == 2
    assert named_handlers(caplog) == [f"{__name__}.fail"]


async def test_a_handler_that_keeps_the_loop_waiting_is_named_once_a_minute(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def dawdle(_old: PodView | None, _new: PodView | None) -> None:
        world.clock.advance(timedelta(seconds=2 * LONGEST_HANDLER_SECONDS))

    world.informer.on_change(dawdle)
    world.server.on("GET", PATH, listing(*(a_pod(f"p{n}") for n in range(10))))
    world.server.on("WATCH", PATH, quiet())

    await world.until(lambda: world.informer.has_synced)

    (name,) = named_handlers(caplog)
    assert name.endswith("dawdle")


def named_handlers(caplog: pytest.LogCaptureFixture) -> list[str]:
    fields = [getattr(record, "fields", {}) for record in caplog.records]
    return [each["handler"] for each in fields if "handler" in each]


async def test_a_handler_that_comes_late_is_told_of_what_there_is(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a")))
    world.server.on("WATCH", PATH, quiet())
    await world.until(lambda: world.informer.has_synced)

    told: list[str] = []
    world.informer.on_change(lambda old, new: told.append(describe(old, new)))

    assert told == ["added a"]


async def test_handlers_find_the_store_as_it_is_after_the_change(world: World) -> None:
    seen: list[int] = []
    world.informer.on_change(lambda _old, _new: seen.append(len(world.informer.store)))
    world.server.on("GET", PATH, listing(a_pod("a"), a_pod("b")), listing(version="20"))
    world.server.on("WATCH", PATH, refusal(410), quiet())

    await world.until(lambda: world.server.count("WATCH") == 2)

    assert seen == [1, 2, 1, 0]


# -- namespaces


def path_in(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


async def test_every_namespace_has_a_list_of_its_own(server: ApiServer, clock: FakeClock) -> None:
    for space in ("one", "two"):
        server.on("GET", path_in(space), listing(a_pod("a", namespace=space)))
        server.on("WATCH", path_in(space), refusal(410), quiet())
    async with watching(server, clock, namespaces=("one", "two", "one")) as world:
        await world.until(lambda: server.count("WATCH") == 4)

        keys = [view.key for view in world.informer.store.values()]
        assert keys == [("one", "a"), ("two", "a")]
        assert server.count("GET") == 4


async def test_a_namespace_without_permission_hides_nothing_of_the_others(
    server: ApiServer, clock: FakeClock
) -> None:
    server.on("GET", path_in("one"), refusal(403))
    async with watching(server, clock, namespaces=("one", "two")) as world:
        server.on("GET", path_in("two"), refusal(500))
        await world.until(lambda: world.informer.is_unavailable)
        assert not world.informer.is_settled

        server.on("GET", path_in("two"), listing(a_pod("a", namespace="two")))
        server.on("WATCH", path_in("two"), quiet())
        await world.until(lambda: world.informer.is_settled)
        assert not world.informer.has_synced
        assert [view.key for view in world.informer.store.values()] == [("two", "a")]

        world.clock.advance(timedelta(minutes=10))
        assert world.informer.age >= timedelta(minutes=10)
        assert world.informer.silence >= timedelta(minutes=10)


async def test_a_kind_without_namespaces_is_watched_as_a_whole(
    server: ApiServer, clock: FakeClock
) -> None:
    server.on("GET", "/api/v1/nodes", listing(a_pod("a", namespace="")))
    server.on("WATCH", "/api/v1/nodes", quiet())
    async with watching(server, clock, NODES, namespaces=("one", "two")) as world:
        await world.until(lambda: world.informer.has_synced)

        assert [view.key for view in world.informer.store.values()] == [Key("", "a")]
        assert server.count("GET") == 1
