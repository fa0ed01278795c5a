"""No write leaves after the renew deadline, though the event loop was frozen until past it.

The server has a thread of its own, so that it goes on while the loop stands still, as a real one.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from ray_operator.controllers.dashboard.address import Endpoint, PodAddress
from ray_operator.controllers.dashboard.errors import DashboardError
from ray_operator.controllers.dashboard.transport import Direct, Request
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.errors import Fenced, Unreachable
from ray_operator.operator.fence import Fence
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import CONNECTIONS, REQUEST_TIMEOUT, Kube
from ray_operator.operator.leader import Leadership
from ray_operator.operator.resources import PODS
from ray_operator.operator.sidethread import SideThread
from support.api_server import ApiServer, a_pod, reply, running_api_server
from support.fake_clock import FakeClock, settle

CLOCK = SystemClock()
LEAD_SECONDS = 0.3
POD = Key("ns", "a")
PATHS = "/api/v1/namespaces/ns/pods"
PATH = f"{PATHS}/a"


class Witness:
    """A server in another thread; it can keep answers back."""

    def __init__(self, server: ApiServer, side: SideThread) -> None:
        self.server = server
        self._side = side
        self._released = asyncio.Event()
        server.on("GET", PATH, self._answer_once_released)
        server.on("POST", PATHS, reply(a_pod("a")))

    async def until_asked(self, method: str, count: int) -> None:
        async with asyncio.timeout(60):
            while self.server.count(method) < count:  # noqa: ASYNC110 - it counts in another thread
                await asyncio.sleep(0.001)

    def release(self) -> None:
        """Answer what was kept back; needs nothing of this thread's loop."""
        self._side.start(self._release())

    async def _release(self) -> None:
        self._released.set()

    async def _answer_once_released(self, request: web.Request) -> web.StreamResponse:
        await self._released.wait()
        return await reply(a_pod("a"))(request)


@pytest.fixture
async def witness(tmp_path: Path) -> AsyncIterator[Witness]:
    async with SideThread("server") as side:
        running = running_api_server(tmp_path)
        yield Witness(await side.run(_enter(running)), side)
        await side.run(_leave(running))


async def _enter(running: AbstractAsyncContextManager[ApiServer]) -> ApiServer:
    return await running.__aenter__()


async def _leave(running: AbstractAsyncContextManager[ApiServer]) -> None:
    await running.__aexit__(None, None, None)


class Lead:
    """A lead that lasts for a moment."""

    def __init__(self) -> None:
        self._leadership = Leadership(CLOCK)
        self._leadership.extend(float("inf"))

    def is_held(self) -> bool:
        return self._leadership.is_held()

    def freeze_past_its_end(self) -> None:
        """Hold the event loop until the lead is over."""
        self._leadership.extend(CLOCK.monotonic() + LEAD_SECONDS)
        while self._leadership.is_held():
            time.sleep(0.01)


async def outcomes(writes: list[asyncio.Task[object]]) -> list[type[BaseException] | None]:
    async with asyncio.timeout(REQUEST_TIMEOUT.total_seconds()):
        found = await asyncio.gather(*writes, return_exceptions=True)
    return [type(one) if isinstance(one, BaseException) else None for one in found]


def writes_of(kube: Kube, count: int) -> list[asyncio.Task[object]]:
    return [asyncio.create_task(_create(kube, f"p{n}")) for n in range(count)]


async def _create(kube: Kube, name: str) -> object:
    return await kube.create(PODS, a_pod(name))


async def test_writes_that_wait_for_a_connection_do_not_leave_after_a_freeze(
    witness: Witness,
) -> None:
    lead = Lead()
    async with witness.server.connected() as kube:
        kube.fence.ask(lead.is_held)
        reads = [asyncio.create_task(kube.get(PODS, POD)) for _ in range(CONNECTIONS)]
        await witness.until_asked("GET", CONNECTIONS)
        writes = writes_of(kube, 10)
        await settle()
        witness.release()
        lead.freeze_past_its_end()

        assert set(await outcomes(writes)) == {Fenced}
        assert len(await asyncio.gather(*reads)) == CONNECTIONS
    assert witness.server.count("POST") == 0


async def test_writes_that_wait_for_the_rate_limit_do_not_leave_after_a_freeze(
    witness: Witness, clock: FakeClock
) -> None:
    lead = Lead()
    async with witness.server.connected(clock, qps=1, burst=1) as kube:
        kube.fence.ask(lead.is_held)
        first, *writes = writes_of(kube, 10)
        await first
        assert clock.sleepers == 9
        lead.freeze_past_its_end()
        clock.advance(timedelta(seconds=10))

        assert set(await outcomes(writes)) == {Fenced}
    assert witness.server.count("POST") == 1


@pytest.mark.parametrize("question", [1, 2], ids=["before its head", "between head and body"])
async def test_a_write_that_is_being_sent_is_not_finished_after_a_freeze(
    witness: Witness, question: int
) -> None:
    """The loop's next turn, after the fence was passed, is the one that lasts too long."""
    lead, asked = Lead(), 0

    def is_held() -> bool:
        nonlocal asked
        asked += 1
        held = lead.is_held()
        if asked == question:
            asyncio.get_running_loop().call_soon(lead.freeze_past_its_end)
        return held

    async with witness.server.connected() as kube:
        kube.fence.ask(is_held)
        (outcome,) = await outcomes(writes_of(kube, 1))

        assert outcome in {Fenced, Unreachable}
        assert asked > question
    assert witness.server.count("POST") == 0


async def test_what_is_told_to_ray_passes_the_fence_too(witness: Witness) -> None:
    """A config that comes late would undo what the new leader's Ray was told."""
    lead, fence = Lead(), Fence()
    fence.ask(lead.is_held)
    direct = Direct(lambda _endpoint: witness.server.url, fence)
    endpoint = Endpoint(PodAddress("ns", "a", "127.0.0.1"), 8265)
    submission = Request("deploy", "PUT", PATH, REQUEST_TIMEOUT, b"{}")
    witness.server.on("PUT", PATH, reply({}))
    assert (await direct.send(endpoint, submission)).status == 200

    lead.freeze_past_its_end()

    with pytest.raises(DashboardError, match="may no longer lead"):
        await direct.send(endpoint, submission)
    witness.release()
    assert (await direct.send(endpoint, Request("serve", "GET", PATH, REQUEST_TIMEOUT))).status
    assert witness.server.count("PUT") == 1
    await direct.close()


async def test_what_is_told_to_ray_through_the_api_server_passes_the_fence_too(
    witness: Witness,
) -> None:
    lead = Lead()
    async with witness.server.connected() as kube:
        kube.fence.ask(lead.is_held)
        lead.freeze_past_its_end()

        with pytest.raises(Fenced):
            await kube.raw("PUT", PATH, body=b"{}", timeout=REQUEST_TIMEOUT)
    assert witness.server.requests == []
