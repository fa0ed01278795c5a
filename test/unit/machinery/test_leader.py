import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from aiohttp import web

from ray_operator.operator.documents import JsonObject, JsonValue, get_object, get_text
from ray_operator.operator.leader import (
    Decision,
    Elector,
    Leadership,
    Record,
    Sighting,
    Terms,
    decide,
)
from support.api_server import ApiServer, refusal, reply
from support.fake_clock import FakeClock, settle

LEASE = timedelta(seconds=15)
PATH = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/ray-operator-leader"
PATHS = "/apis/coordination.k8s.io/v1/namespaces/ns/leases"


@dataclass(frozen=True)
class Case:
    seen: Sighting | None
    now: float
    want: Decision


THEIRS = Sighting(Record(holder="other", lease=LEASE), at=100.0)
MINE = Sighting(Record(holder="me", lease=LEASE), at=100.0)
RELEASED = Sighting(Record(holder="", lease=timedelta(seconds=1)), at=100.0)

DECISIONS = {
    "without a Lease, one is made": Case(None, 100.0, Decision.CREATE),
    "another's Lease is waited for": Case(THEIRS, 114.9, Decision.WAIT),
    "another's Lease is taken when it has not changed for its duration": Case(
        THEIRS, 115.0, Decision.TAKE
    ),
    "a released Lease is taken at once": Case(RELEASED, 100.0, Decision.TAKE),
    "our own Lease is renewed": Case(MINE, 101.0, Decision.RENEW),
    "our own Lease is renewed even late, as long as nobody took it": Case(
        MINE, 1000.0, Decision.RENEW
    ),
}


@pytest.mark.parametrize("case", [pytest.param(c, id=s) for s, c in DECISIONS.items()])
def test_decisions(case: Case) -> None:
    assert decide(case.seen, "me", case.now) is case.want


class LeaseServer:
    """One Lease with the API server's optimistic lock."""

    def __init__(self, server: ApiServer) -> None:
        self.lease: JsonObject | None = None
        self.is_away = False
        self._version = 0
        server.on("GET", PATH, self._get)
        server.on("POST", PATHS, self.put)
        server.on("PUT", PATH, self.put)

    @property
    def holder(self) -> str:
        return get_text(get_object(self.lease or {}, "spec"), "holderIdentity")

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if self.is_away:
            return await refusal(503)(request)
        if self.lease is None:
            return await refusal(404)(request)
        return await reply(self.lease)(request)

    async def put(self, request: web.Request) -> web.StreamResponse:
        if self.is_away:
            return await refusal(503)(request)
        sent: JsonObject = await request.json()
        metadata = get_object(sent, "metadata")
        current = get_text(get_object(self.lease or {}, "metadata"), "resourceVersion")
        if get_text(metadata, "resourceVersion") != current:
            return await refusal(409, "Conflict")(request)
        self._version += 1
        stored: dict[str, JsonValue] = {
            **sent,
            "metadata": {**metadata, "resourceVersion": str(self._version)},
        }
        self.lease = stored
        return await reply(stored)(request)


@dataclass
class Candidate:
    elector: Elector
    leadership: Leadership


@asynccontextmanager
async def standing(server: ApiServer, clock: FakeClock, name: str) -> AsyncIterator[Candidate]:
    async with server.connected(clock) as kube:
        leadership = Leadership(clock)
        elector = Elector(kube, "ns", name, leadership, clock, terms=Terms())
        yield Candidate(elector, leadership)


async def let_pass(clock: FakeClock, duration: timedelta, step: timedelta) -> None:
    """Let time pass in steps that leave the network time to answer."""
    for _ in range(duration // step):
        await asyncio.sleep(0.01)
        clock.advance(step)
    await asyncio.sleep(0.01)
    await settle()


async def until_done(clock: FakeClock, task: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(10):
        while not task.done():
            await asyncio.sleep(0.002)
            clock.skip()
    task.result()


async def test_the_first_one_leads_and_the_second_waits(
    server: ApiServer, clock: FakeClock
) -> None:
    lease = LeaseServer(server)
    async with standing(server, clock, "a") as a, standing(server, clock, "b") as b:
        await a.elector.acquire()
        second = asyncio.create_task(b.elector.acquire())
        await let_pass(clock, timedelta(seconds=8), timedelta(seconds=1))

        assert lease.holder == "a"
        assert a.leadership.is_held()
        assert not b.leadership.is_held()
        second.cancel()


async def test_a_lease_that_is_not_renewed_goes_to_the_other_after_its_duration(
    server: ApiServer, clock: FakeClock
) -> None:
    lease = LeaseServer(server)
    async with standing(server, clock, "a") as a, standing(server, clock, "b") as b:
        await a.elector.acquire()
        began = clock.monotonic()
        await until_done(clock, asyncio.create_task(b.elector.acquire()))

        assert lease.holder == "b"
        assert clock.monotonic() - began == 15
        assert b.elector.previous_renewal is not None


@pytest.mark.parametrize("renewals", [1, 2, 5])
@pytest.mark.parametrize("phase_seconds", [0.0, 0.3, 0.9, 1.7])
async def test_a_leader_that_dies_is_followed_within_its_lease_and_two_seconds(
    server: ApiServer, clock: FakeClock, renewals: int, phase_seconds: float
) -> None:
    """Whenever it dies, and however its renewals and the other's looks lie to each other."""
    lease = LeaseServer(server)
    async with standing(server, clock, "a") as a, standing(server, clock, "b") as b:
        await a.elector.acquire()
        keeping = asyncio.create_task(a.elector.keep())
        clock.advance(timedelta(seconds=phase_seconds))
        waiting = asyncio.create_task(b.elector.acquire())
        async with asyncio.timeout(60):
            while server.count("PUT", PATH) < renewals:
                await asyncio.sleep(0.002)
                clock.skip()
        keeping.cancel()
        died = clock.monotonic()
        await until_done(clock, waiting)

        assert lease.holder == "b"
        assert clock.monotonic() - died <= 15 + 2


async def test_who_waits_looks_no_more_than_once_a_second_or_so(
    server: ApiServer, clock: FakeClock
) -> None:
    lease = LeaseServer(server)
    async with standing(server, clock, "a") as a, standing(server, clock, "b") as b:
        await a.elector.acquire()
        before = server.count("GET", PATH)
        await until_done(clock, asyncio.create_task(b.elector.acquire()))

        assert lease.holder == "b"
        assert server.count("GET", PATH) - before <= 15 / 0.8 + 2


async def test_a_release_lets_the_other_lead_at_its_next_try(
    server: ApiServer, clock: FakeClock
) -> None:
    lease = LeaseServer(server)
    async with standing(server, clock, "a") as a, standing(server, clock, "b") as b:
        await a.elector.acquire()
        second = asyncio.create_task(b.elector.acquire())
        await let_pass(clock, timedelta(seconds=2), timedelta(seconds=1))
        await a.elector.release()
        assert not a.leadership.is_held()
        began = clock.monotonic()

        await until_done(clock, second)

        assert lease.holder == "b"
        assert clock.monotonic() - began <= 2 * 1.2


async def test_a_renewal_that_arrives_during_the_release_does_not_undo_it(
    server: ApiServer, clock: FakeClock
) -> None:
    lease = LeaseServer(server)
    async with standing(server, clock, "a") as a:
        await a.elector.acquire()
        server.on("PUT", PATH, refusal(409, "Conflict"), lease.put)
        await a.elector.release()

        assert lease.holder == ""


async def test_the_fence_closes_at_the_renew_deadline_before_another_may_lead(
    server: ApiServer, clock: FakeClock
) -> None:
    LeaseServer(server)
    async with standing(server, clock, "a") as a:
        await a.elector.acquire()

        clock.advance(timedelta(seconds=9.9))
        assert a.leadership.is_held()
        clock.advance(timedelta(seconds=0.2))
        assert not a.leadership.is_held()


async def test_renewals_keep_the_fence_open(server: ApiServer, clock: FakeClock) -> None:
    LeaseServer(server)
    async with standing(server, clock, "a") as a:
        await a.elector.acquire()
        keeping = asyncio.create_task(a.elector.keep())
        for _ in range(40):
            await let_pass(clock, timedelta(seconds=1), timedelta(seconds=1))
            assert a.leadership.is_held()
        keeping.cancel()


class JumpingClock(FakeClock):
    """The wall clock is set by somebody, again and again; the monotonic one goes on."""

    def __init__(self, jump: timedelta) -> None:
        super().__init__()
        self._jump = jump
        self._asked = 0

    def now(self) -> datetime:
        self._asked += 1
        return super().now() + self._jump * self._asked


@pytest.mark.parametrize("days", [-1000, 1000])
async def test_jumps_of_the_wall_clock_matter_to_nobody(server: ApiServer, days: int) -> None:
    clock = JumpingClock(timedelta(days=days))
    lease = LeaseServer(server)
    async with standing(server, clock, "a") as a, standing(server, clock, "b") as b:
        await a.elector.acquire()
        keeping = asyncio.create_task(a.elector.keep())
        waiting = asyncio.create_task(b.elector.acquire())
        for _ in range(40):
            await let_pass(clock, timedelta(seconds=1), timedelta(seconds=1))
            assert a.leadership.is_held()
        assert not waiting.done()

        keeping.cancel()
        died = clock.monotonic()
        await until_done(clock, waiting)
        assert lease.holder == "b"
        assert 15 - 2 * 1.2 <= clock.monotonic() - died <= 15 + 2


@pytest.mark.parametrize("holder", ["a", ""], ids=["the Lease is still ours", "the Lease is free"])
async def test_a_lead_that_was_frozen_past_its_deadline_is_over_for_good(
    server: ApiServer, clock: FakeClock, holder: str
) -> None:
    """Another may have led, and released, meanwhile: only a fresh process knows what it did."""
    lease = LeaseServer(server)
    async with standing(server, clock, "a") as a:
        await a.elector.acquire()
        keeping = asyncio.create_task(a.elector.keep())
        await settle()
        assert lease.lease is not None
        spec = {**get_object(lease.lease, "spec"), "holderIdentity": holder}
        lease.lease = {**lease.lease, "spec": spec}
        clock.advance(timedelta(minutes=1))
        await asyncio.wait_for(keeping, 60)

        assert not a.leadership.is_held()
        assert lease.holder == holder
        assert server.count("PUT", PATH) == 0


async def test_a_renewal_that_is_answered_too_late_does_not_open_the_fence(
    server: ApiServer, clock: FakeClock
) -> None:
    """It counts from when it was asked for: the others count from when they see it."""
    lease = LeaseServer(server)
    async with standing(server, clock, "a") as a:
        await a.elector.acquire()
        answer, arrived = asyncio.Event(), asyncio.Event()

        async def answer_late(request: web.Request) -> web.StreamResponse:
            arrived.set()
            await answer.wait()
            return await lease.put(request)

        server.on("PUT", PATH, answer_late)
        keeping = asyncio.create_task(a.elector.keep())
        await settle()
        clock.skip()
        await asyncio.wait_for(arrived.wait(), 60)
        clock.advance(timedelta(seconds=11))
        answer.set()
        await asyncio.wait_for(keeping, 60)

        assert not a.leadership.is_held()


async def test_an_api_server_that_is_away_for_long_costs_the_lead(
    server: ApiServer, clock: FakeClock
) -> None:
    lease = LeaseServer(server)
    async with standing(server, clock, "a") as a:
        await a.elector.acquire()
        lease.is_away = True
        began = clock.monotonic()

        await until_done(clock, asyncio.create_task(a.elector.keep()))

        assert not a.leadership.is_held()
        assert 10 <= clock.monotonic() - began < 30


async def test_a_lease_in_another_hand_is_lost_at_once(server: ApiServer, clock: FakeClock) -> None:
    lease = LeaseServer(server)
    async with standing(server, clock, "a") as a:
        await a.elector.acquire()
        assert lease.lease is not None
        lease.lease = {
            **lease.lease,
            "spec": {"holderIdentity": "b", "leaseDurationSeconds": 15},
            "metadata": {"resourceVersion": "77"},
        }
        began = clock.monotonic()

        await until_done(clock, asyncio.create_task(a.elector.keep()))

        assert clock.monotonic() - began <= 2 * 1.2


async def test_a_container_that_was_restarted_takes_its_own_lease_at_once(
    server: ApiServer, clock: FakeClock
) -> None:
    LeaseServer(server)
    async with standing(server, clock, "a") as before:
        await before.elector.acquire()
    async with standing(server, clock, "a") as after:
        await after.elector.acquire()

        assert clock.monotonic() == 0
        assert after.leadership.is_held()
