"""How requests share connections (P7, P9), and how a dead peer is noticed (P1)."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ray_operator.operator.errors import Unreachable
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import CONNECTIONS
from ray_operator.operator.resources import PODS
from ray_operator.operator.retries import ATTEMPTS
from ray_operator.operator.wire import WatchRequest
from support.api_server import ApiServer, a_pod, late, listing, reply
from support.fake_clock import FakeClock
from support.informer_world import PATH, quiet, watching

POD = Key("ns", "a")
POD_PATH = "/api/v1/namespaces/ns/pods/a"


async def test_requests_and_lists_share_one_connection_and_each_watch_has_its_own(
    server: ApiServer, clock: FakeClock
) -> None:
    for space in ("one", "two"):
        server.on("GET", f"/api/v1/namespaces/{space}/pods", listing())
        server.on("WATCH", f"/api/v1/namespaces/{space}/pods", quiet())
    server.on("GET", POD_PATH, reply(a_pod("a")))
    async with watching(server, clock, namespaces=("one", "two")) as world:
        await world.until(lambda: server.count("WATCH") == 2)
        for _ in range(10):
            await world.kube.get(PODS, POD)

    watches = {r.port for r in server.requests if r.method == "WATCH"}
    others = {r.port for r in server.requests if r.method == "GET"}
    assert len(watches) == 2
    assert len(others) <= 2, "two lists went out at once"
    assert not watches & others


async def test_watches_never_keep_requests_waiting(server: ApiServer, clock: FakeClock) -> None:
    server.on("WATCH", PATH, quiet())
    server.on("GET", POD_PATH, reply(a_pod("a")))
    day = timedelta(days=1)
    async with server.connected(clock) as kube:
        request = WatchRequest(PODS, "", "", "10", life=day, idle=day)
        watches = [kube.watch(request) for _ in range(CONNECTIONS + 10)]
        reading = [asyncio.ensure_future(anext(each)) for each in watches]
        await server.wait_for("WATCH", PATH, CONNECTIONS + 10)

        assert await kube.get(PODS, POD) == a_pod("a")

        for each in reading:
            each.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def test_a_request_that_is_never_answered_ends_in_time(
    server: ApiServer, clock: FakeClock
) -> None:
    server.on("GET", POD_PATH, late(timedelta(hours=1), reply(a_pod("a"))))
    async with server.connected(clock, timeout=timedelta(seconds=0.05)) as kube:
        asking = asyncio.ensure_future(kube.get(PODS, POD))
        async with asyncio.timeout(60):
            while not asking.done():
                await asyncio.sleep(0.001)
                clock.skip()

    with pytest.raises(Unreachable, match=r"get pods .*: no usable answer"):
        asking.result()
    assert server.count("GET") == ATTEMPTS


KEEPALIVE_TIMER = "02"
TICKS_A_SECOND = 100
"""/proc counts in USER_HZ, whatever the kernel's own."""


async def test_every_connection_gives_a_dead_peer_up_after_half_a_minute(
    server: ApiServer, clock: FakeClock
) -> None:
    """Seen from the kernel: the sockets of requests and watches have a keepalive timer running."""
    server.on("GET", PATH, listing())
    server.on("WATCH", PATH, quiet())
    async with watching(server, clock) as world:
        await world.until(lambda: server.count("WATCH") == 1)
        ports = {r.port for r in server.requests}
        server_port = int(server.url.rpartition(":")[2])
        assert len(ports) == 2

        def all_kept() -> bool:
            """Not so for a moment, while something that was sent waits for its acknowledgement."""
            timers = dict(timers_to(server_port))
            found = [timers[port] for port in ports]
            return all(kind == KEEPALIVE_TIMER and seconds <= 15 for kind, seconds in found)

        await world.until(all_kept)


def timers_to(server_port: int) -> Iterator[tuple[int, tuple[str, float]]]:
    """Read the kernel's table of TCP: client port, its active timer, when that ends."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, _, timer, *_ = line.split()
        if int(remote.rpartition(":")[2], 16) == server_port:
            kind, _, ticks = timer.partition(":")
            yield int(local.rpartition(":")[2], 16), (kind, int(ticks, 16) / TICKS_A_SECOND)
