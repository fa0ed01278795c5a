"""What a list and a watch must survive (docs/caches.md), each over real HTTP."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from ray_operator.operator.documents import encode
from ray_operator.operator.errors import (
    Forbidden,
    Invalid,
    KubeError,
    NotFound,
    NotSent,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from ray_operator.operator.health import STALE
from ray_operator.operator.reflector import CHECKUP, LONGEST_ASKED, REST
from support.api_server import (
    Answer,
    ApiServer,
    a_pod,
    a_status,
    bookmark,
    event,
    hung_up,
    late,
    listing,
    refusal,
    running_api_server,
    stream,
)
from support.control_plane import free_ports
from support.fake_clock import FakeClock, settle
from support.informer_world import PATH, World, labelled, quiet, the_end, watching


@pytest.fixture
async def world(server: ApiServer, clock: FakeClock) -> AsyncIterator[World]:
    async with watching(server, clock) as world:
        yield world


async def test_a_watch_starts_where_the_list_ended_and_goes_on_where_the_last_one_did(
    world: World,
) -> None:
    world.server.on("GET", PATH, listing(a_pod("a", "3"), version="10"))
    world.server.on(
        "WATCH", PATH, stream(event("ADDED", a_pod("b", "11"))), stream(bookmark("20")), quiet()
    )

    await world.until(lambda: world.server.count("WATCH") == 3)

    watches = [r.query for r in world.server.requests if r.method == "WATCH"]
    assert world.positions == ["10", "11", "20"]
    assert all(query["allowWatchBookmarks"] == "true" for query in watches)
    assert all(300 <= int(query["timeoutSeconds"]) <= 600 for query in watches)
    assert world.server.count("GET") == 1


# -- P1: half-open connections


async def test_a_silent_stream_is_given_up_and_two_of_them_lead_to_a_new_list(
    server: ApiServer, clock: FakeClock
) -> None:
    """So ends the silence of a server whose etcd was restored: it is far behind our position."""
    server.on("GET", PATH, listing(a_pod("a", "990"), version="1000"), listing(version="500"))
    server.on("WATCH", PATH, quiet())
    async with watching(server, clock, idle=timedelta(seconds=0.1)) as world:
        await world.until(lambda: server.count("WATCH") >= 3)

        assert world.asked[:5] == ["GET", "WATCH", "WATCH", "GET", "WATCH"]
        assert world.positions[:3] == ["1000", "1000", "500"]
        assert world.told == ["added a", "deleted a"]


async def test_a_server_that_never_sends_the_head_of_a_watch_is_given_up(
    server: ApiServer, clock: FakeClock
) -> None:
    server.on("GET", PATH, listing(a_pod("a")))
    server.on("WATCH", PATH, late(timedelta(hours=1), quiet()), quiet())
    async with watching(server, clock, idle=timedelta(seconds=0.1)) as world:
        await world.until(lambda: server.count("WATCH") >= 2)


async def test_a_stream_that_speaks_is_not_given_up(server: ApiServer, clock: FakeClock) -> None:
    """Empty lines and parts of an event are signs of life, too."""
    idle, every = timedelta(seconds=2), timedelta(seconds=0.3)
    text = b"\n" * 3 + encode(event("ADDED", a_pod("b", "11"))) + b"\n"
    pieces = [text[:1], text[1:2], text[2:3], *(text[at : at + 30] for at in range(3, 200, 30))]
    assert idle < every * len([piece for piece in pieces if piece])
    server.on("GET", PATH, listing())
    server.on("WATCH", PATH, stream(*pieces, then="hang", every=every))
    async with watching(server, clock, idle=idle) as world:
        await world.until(lambda: "b" in world.cached)

        assert server.count("WATCH") == 1


# -- P3: positions that are too old


@dataclass(frozen=True)
class Said:
    watch: Answer


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=sentence)
        for sentence, case in {
            "as the HTTP status": Said(refusal(410, "Expired")),
            "as an ERROR event": Said(stream(event("ERROR", a_status(410, "Expired")))),
            "as a bare Status in mid-stream": Said(stream(a_status(410, "Expired"))),
            "by an old server's reason": Said(stream(event("ERROR", a_status(410, "Gone")))),
        }.items()
    ],
)
async def test_a_position_that_is_too_old_leads_to_a_new_list(world: World, case: Said) -> None:
    world.server.on("GET", PATH, listing(a_pod("a")), listing(a_pod("b"), version="99"))
    world.server.on("WATCH", PATH, case.watch, quiet())

    await world.until(lambda: world.server.count("WATCH") == 2)

    assert world.cached == {"b": "1"}
    assert world.positions == ["10", "99"]


async def test_a_position_never_comes_from_the_items_of_a_list(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a", "77"), version=""), listing(version="10"))
    world.server.on("WATCH", PATH, quiet())

    await world.until(lambda: world.server.count("WATCH") == 1)

    assert world.asked == ["GET", "GET", "WATCH"]
    assert world.positions == ["10"]


# -- P4: empty and broken streams


async def test_empty_streams_are_not_asked_for_in_a_busy_loop(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a")))
    world.server.on("WATCH", PATH, stream())

    await world.until_resting()
    await asyncio.sleep(0.05)

    assert world.server.count("WATCH") == 1


async def test_two_empty_streams_lead_to_a_new_list(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a")))
    world.server.on("WATCH", PATH, stream(), stream(), quiet())

    await world.until(lambda: world.server.count("WATCH") == 3)

    assert world.asked == ["GET", "WATCH", "WATCH", "GET", "WATCH"]


async def test_streams_that_end_after_each_event_are_not_asked_for_in_a_busy_loop(
    world: World,
) -> None:
    world.server.on("GET", PATH, listing())
    world.server.on("WATCH", PATH, *(stream(bookmark(str(n))) for n in range(11, 20)), quiet())

    await world.until_resting()
    await asyncio.sleep(0.05)
    assert world.server.count("WATCH") == 1

    await world.until(lambda: world.server.count("WATCH") == 10)
    assert world.server.count("GET") == 1
    assert world.clock.monotonic() < 10 * 1.5 * REST.first.total_seconds(), "rests don't grow"


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=sentence)
        for sentence, case in {
            "cut in the middle of an event": Said(
                stream(event("ADDED", a_pod("b", "11")), b'{"type":"ADDED","obj', then="cut")
            ),
            "ended in the middle of an event": Said(
                stream(event("ADDED", a_pod("b", "11")), b'{"type":"ADDED","obj')
            ),
            "a line that is no JSON": Said(
                stream(event("ADDED", a_pod("b", "11")), b"not JSON\n", then="hang")
            ),
            "a line that is no object": Said(
                stream(event("ADDED", a_pod("b", "11")), b"[1]\n", then="hang")
            ),
            "an ERROR event of the server's own trouble": Said(
                stream(event("ADDED", a_pod("b", "11")), event("ERROR", a_status(500)))
            ),
        }.items()
    ],
)
async def test_a_broken_stream_is_taken_up_again_after_its_last_event(
    world: World, case: Said
) -> None:
    world.server.on("GET", PATH, listing())
    world.server.on("WATCH", PATH, case.watch, quiet(event("ADDED", a_pod("c", "12"))))

    await world.until(lambda: "c" in world.cached)

    assert world.told == ["added b", "added c"]
    assert world.positions == ["10", "11"]
    assert world.server.count("GET") == 1


async def test_a_stream_that_comes_byte_by_byte_is_read(world: World) -> None:
    text = encode(event("ADDED", a_pod("b", "11"))) + b"\n"
    world.server.on("GET", PATH, listing())
    world.server.on("WATCH", PATH, stream(*(bytes([byte]) for byte in text), then="hang"))

    await world.until(lambda: "b" in world.cached)


# -- P5: events out of order


async def test_events_out_of_order_lead_to_a_list_that_tells_the_truth(world: World) -> None:
    """Believed as they come, they would bring back what is deleted, with nothing to end it."""
    world.server.on("GET", PATH, listing(a_pod("a")), listing(a_pod("a"), version="20"))
    swapped = (event("DELETED", a_pod("b", "12")), event("ADDED", a_pod("b", "11")))
    world.server.on("WATCH", PATH, quiet(*swapped), quiet())

    await world.until(lambda: world.server.count("WATCH") == 2)

    assert world.cached == {"a": "1"}
    assert "added b" not in world.told
    assert world.positions == ["10", "20"]


async def test_a_server_that_went_back_in_time_is_listed_again(world: World) -> None:
    """As after the restore of an etcd backup: other lives, with lower versions."""
    restored = a_pod("a", "4", uid="restored")
    world.server.on("GET", PATH, listing(a_pod("a", "50")), listing(restored, version="6"))
    world.server.on("WATCH", PATH, quiet(bookmark("5")), quiet())

    await world.until(lambda: world.server.count("WATCH") == 2)

    assert world.cached == {"a": "4"}
    assert world.told == ["added a", "deleted a", "added a"]


async def test_a_list_is_believed_even_if_versions_went_back(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a", "50")), listing(a_pod("a", "5"), version="6"))
    world.server.on("WATCH", PATH, refusal(410), quiet())

    await world.until(lambda: world.server.count("WATCH") == 2)

    assert world.cached == {"a": "5"}


async def test_versions_that_are_no_numbers_are_never_out_of_order(world: World) -> None:
    world.server.on("GET", PATH, listing(version="zebra"))
    events = (event("ADDED", a_pod("a", "lion")), event("MODIFIED", a_pod("a", "ant")))
    world.server.on("WATCH", PATH, quiet(*events))

    await world.until(lambda: world.cached == {"a": "ant"})

    assert world.server.count("GET") == 1


# -- P6: what happened in a gap


async def test_an_event_that_never_came_is_made_up_for_by_the_next_list(world: World) -> None:
    """Nobody can notice what a watch does not bring: a list every half hour bounds the harm."""
    world.server.on("GET", PATH, listing(a_pod("a")), listing(version="30"))
    ends = [asyncio.Event(), asyncio.Event()]
    world.server.on("WATCH", PATH, *(stream(then="end", until=end) for end in ends), quiet())

    for number, end in enumerate(ends, start=1):
        await world.server.wait_for("WATCH", PATH, number)
        assert world.server.count("GET") == 1
        world.clock.advance(CHECKUP / 2)
        end.set()

    await world.until(lambda: world.server.count("WATCH") == 3)
    assert world.asked == ["GET", "WATCH", "WATCH", "GET", "WATCH"]
    assert world.told == ["added a", "deleted a"]


# -- P15: lists


async def test_a_list_whose_token_expires_on_page_three_begins_again(world: World) -> None:
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
    assert [r.query.get("continue") for r in world.server.requests[:5]] == [
        None,
        "2",
        "3",
        None,
        "2",
    ]


async def test_a_list_that_is_cut_off_deletes_nothing(world: World) -> None:
    whole = listing(a_pod("a"), a_pod("b"))
    world.server.on(
        "GET", PATH, whole, listing(a_pod("a"), more="2"), refusal(410, "Expired"), whole
    )
    world.server.on("WATCH", PATH, refusal(410), quiet())

    await world.until(lambda: world.server.count("WATCH") == 2)

    assert world.told == ["added a", "added b"]


async def test_pages_that_come_slowly_are_waited_for_and_used_as_they_come(world: World) -> None:
    slow = timedelta(seconds=0.2)
    world.server.on("GET", PATH, listing(a_pod("a"), more="2"), late(slow, listing(a_pod("b"))))
    world.server.on("WATCH", PATH, quiet())

    await world.until(lambda: "a" in world.cached)
    assert not world.informer.has_synced
    await world.until(lambda: world.asked == ["GET", "GET", "WATCH"])


async def test_a_page_that_never_comes_is_asked_for_again(
    server: ApiServer, clock: FakeClock
) -> None:
    server.on("GET", PATH, late(timedelta(hours=1), listing()), listing(a_pod("a")))
    server.on("WATCH", PATH, quiet())
    async with watching(server, clock, timeout=timedelta(seconds=0.1)) as world:
        await world.until(lambda: world.asked[-1:] == ["WATCH"])

        assert world.server.count("GET") >= 2


# -- P17: bursts


@pytest.mark.parametrize("streams_lists", [True, False], ids=["as a stream", "as a watch"])
async def test_a_burst_of_events_lets_other_tasks_have_their_turns(
    server: ApiServer, clock: FakeClock, *, streams_lists: bool
) -> None:
    pods = [labelled(a_pod(f"p{n}", str(n + 11)), label="x" * 2000) for n in range(2000)]
    burst = b"".join(encode(event("ADDED", pod)) + b"\n" for pod in pods)
    end = [the_end("5000")] if streams_lists else []
    server.on("GET", PATH, listing())
    server.on("WATCH", PATH, stream(burst, *end, then="hang"))
    async with watching(server, clock, streams_lists=streams_lists) as world:
        sizes = [0]
        while sizes[-1] < len(pods):
            await asyncio.sleep(0)
            sizes.append(len(world.informer.store))

    longest = max(after - before for before, after in itertools.pairwise(sizes))
    assert longest <= len(pods) / 4


# -- refusals, and what is said of them


@dataclass(frozen=True)
class Refused:
    """`lists`: a watch that is refused so leads to a new list, not to another watch."""

    status: int
    want: type[KubeError]
    lists: bool = False
    is_unavailable: bool = False
    retry_after: int = 0


REFUSALS = {
    "400 a list again": Refused(400, Invalid, lists=True),
    "401 a list again": Refused(401, Unauthorized, lists=True),
    "403 a feature less": Refused(403, Forbidden, lists=True, is_unavailable=True),
    "404 a feature less": Refused(404, NotFound, lists=True, is_unavailable=True),
    "422 a list again": Refused(422, Invalid, lists=True),
    "429 the watch again": Refused(429, TooManyRequests),
    "429 with Retry-After the watch again, later": Refused(429, TooManyRequests, retry_after=20),
    "500 the watch again": Refused(500, ServerError),
    "503 the watch again": Refused(503, ServerError),
    "504 the watch again": Refused(504, ServerError),
}


@pytest.mark.parametrize("case", [pytest.param(c, id=name) for name, c in REFUSALS.items()])
async def test_a_refused_watch_is_said_and_leads_to(
    world: World, caplog: pytest.LogCaptureFixture, case: Refused
) -> None:
    after = {"Retry_After": str(case.retry_after)} if case.retry_after else {}
    world.server.on("GET", PATH, listing(a_pod("a")))
    refused = 2 if case.status == 401 else 1  # a 401 is met with renewed credentials first
    no = refusal(case.status, message="no way", **after)
    world.server.on("WATCH", PATH, *[no] * refused, quiet())

    await world.until_resting()
    assert type(world.informer.error) is case.want
    assert not world.informer.is_unavailable, "there is a list"
    asked = case.retry_after or 0
    assert asked < world.clock.next_sleep <= asked + 1.5 * REST.first.total_seconds()
    then = ["GET", "WATCH"] if case.lists else ["WATCH"]
    want = ["GET", *["WATCH"] * refused, *then]
    await world.until(lambda: world.informer.error is None and len(world.asked) >= len(want))
    assert world.asked == want
    assert said(caplog) == ["watch pods: no way"]
    assert world.cached == {"a": "1"}


@pytest.mark.parametrize("case", [pytest.param(c, id=name) for name, c in REFUSALS.items()])
async def test_a_refused_list_is_said_once_a_minute_and_asked_for_again(
    world: World, caplog: pytest.LogCaptureFixture, case: Refused
) -> None:
    after = {"Retry_After": str(case.retry_after)} if case.retry_after else {}
    world.server.on("GET", PATH, refusal(case.status, message="no way", **after))
    world.server.on("WATCH", PATH, quiet())

    await world.until(lambda: len(said(caplog)) == 4)
    assert type(world.informer.error) is case.want
    assert world.informer.is_unavailable == case.is_unavailable
    assert world.informer.is_settled == case.is_unavailable
    assert said(caplog) == ["list pods: no way"] * 4
    assert 3 * 60 <= world.clock.monotonic() <= 4 * 150
    assert world.server.count("WATCH") == 0

    world.server.on("GET", PATH, listing(a_pod("a")))
    before = world.clock.monotonic()
    await world.until(lambda: world.informer.has_synced)
    assert not world.informer.is_unavailable
    assert world.clock.monotonic() - before <= 1.5 * 30 + case.retry_after


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was complained of: verb, resource and the server's words."""
    fields = [getattr(record, "fields", {}) for record in caplog.records]
    return [str(each["error"]) for each in fields if "error" in each]


async def test_no_retry_after_makes_the_process_look_dead(world: World) -> None:
    world.server.on("GET", PATH, listing())
    world.server.on("WATCH", PATH, refusal(429, Retry_After="86400"), quiet())

    await world.until_resting()

    assert LONGEST_ASKED.total_seconds() < world.clock.next_sleep < STALE.total_seconds()


async def test_an_unavailable_feature_stays_so_while_the_server_is_away(world: World) -> None:
    """Or its empty cache would be taken for the truth: no node, say, for dead nodes."""
    world.server.on("GET", PATH, refusal(403), hung_up())

    await world.until(lambda: isinstance(world.informer.error, Unreachable))

    assert world.informer.is_unavailable


@pytest.mark.parametrize("status", [403, 404])
async def test_without_what_is_essential_nothing_is_settled(
    server: ApiServer, clock: FakeClock, status: int
) -> None:
    """A 404 may come from something in between, or from a CRD that is about to come."""
    server.on("GET", PATH, refusal(status))
    async with watching(server, clock, is_essential=True) as world:
        await world.until(lambda: world.informer.error is not None)
        assert not world.informer.is_unavailable
        assert not world.informer.is_settled
        waiting = asyncio.create_task(world.informer.wait_until_settled())

        server.on("GET", PATH, listing(a_pod("a")))
        server.on("WATCH", PATH, quiet())
        await world.until(waiting.done)
        assert world.informer.has_synced


# -- an API server that is away


async def test_an_api_server_that_is_away_is_asked_with_growing_rests(world: World) -> None:
    world.server.on("GET", PATH, hung_up())

    await world.until(lambda: world.server.count("GET") >= 10 and bool(world.informer.error))
    assert not world.informer.has_synced

    world.server.on("GET", PATH, listing(a_pod("a")))
    world.server.on("WATCH", PATH, quiet())
    await world.until(lambda: world.informer.has_synced)
    assert world.informer.error is None


async def test_after_minutes_without_an_api_server_the_watch_goes_on_where_it_was(
    tmp_path: Path, clock: FakeClock
) -> None:
    """No list: hundreds of clients that listed at once would bring it down again."""
    (port,) = free_ports(1)
    async with running_api_server(tmp_path, port) as server:
        server.on("GET", PATH, listing(a_pod("a")))
        server.on("WATCH", PATH, quiet(event("MODIFIED", a_pod("a", "12"))))
        async with watching(server, clock) as world:
            await world.until(lambda: world.cached == {"a": "12"})
            await server.stop()
            await world.until(lambda: clock.monotonic() > 300)
            assert isinstance(world.informer.error, NotSent)
            assert world.cached == {"a": "12"}

            async with running_api_server(tmp_path, port) as again:
                again.on("WATCH", PATH, quiet(event("ADDED", a_pod("b", "13"))))
                await world.until(lambda: "b" in world.cached)
                assert [r.query["resourceVersion"] for r in again.requests] == ["12"]
                assert world.informer.error is None


# -- freshness


async def test_age_is_the_silence_of_the_watch(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a")))
    world.server.on("WATCH", PATH, quiet())
    await world.until(lambda: world.informer.has_synced)
    await world.server.wait_for("WATCH", PATH, 1)
    await settle()
    before = world.informer.age

    world.clock.advance(timedelta(seconds=90))

    assert world.informer.age - before == timedelta(seconds=90)
    assert world.informer.silence == world.informer.age


@pytest.mark.parametrize("status", [403, 404, 429, 500])
async def test_a_server_that_refuses_ages_the_cache_but_does_not_look_dead(
    server: ApiServer, clock: FakeClock, status: int
) -> None:
    """A fresh process would be refused, too, and its lists would only add to the trouble."""
    server.on("GET", PATH, listing(a_pod("a")), refusal(status))
    server.on("WATCH", PATH, refusal(410))
    async with watching(server, clock, is_essential=True) as world:
        await world.until(lambda: world.informer.age > 2 * STALE)

        assert world.informer.silence < STALE
        assert world.cached == {"a": "1"}, "what is not seen is not gone"


async def test_a_server_that_is_away_looks_dead(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a")), hung_up())
    world.server.on("WATCH", PATH, refusal(410))

    await world.until(lambda: world.informer.silence > STALE)


async def test_a_feature_without_permission_has_no_age(world: World) -> None:
    world.server.on("GET", PATH, listing(a_pod("a")), refusal(403))
    world.server.on("WATCH", PATH, refusal(410))

    await world.until(lambda: world.informer.is_unavailable)
    world.clock.advance(timedelta(hours=1))

    assert world.informer.age == timedelta()
