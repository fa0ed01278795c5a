"""The fault proxy itself: what it passes on, and that a killed operator is dead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from faults.faults import on
from faults.proxy import FaultProxy, a_fault_proxy
from faults.stopper import KillAfter, KillBefore
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.errors import Unreachable
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.resources import EVENTS, PODS
from ray_operator.operator.wire import WatchRequest
from support.api_server import TOKEN, ApiServer, a_pod, event, reply, running_api_server, stream
from support.control_plane import ControlPlane

PATH = "/api/v1/namespaces/ns/pods"
EVENT_PATH = "/apis/events.k8s.io/v1/namespaces/ns/events"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with running_api_server(tmp_path) as server:
        yield server


@pytest.fixture
async def proxy(server: ApiServer, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    plane = ControlPlane(server.url, tmp_path / "kubeconfig", tmp_path / "ca", TOKEN, tmp_path)
    async with a_fault_proxy(plane) as proxy:
        yield proxy


@asynccontextmanager
async def connected(proxy: FaultProxy) -> AsyncIterator[Kube]:
    kube = await Kube.connect(KubeOptions(kubeconfig=proxy.kubeconfig), SystemClock())
    yield kube
    await kube.close()


def a_watch() -> WatchRequest:
    life = timedelta(seconds=60)
    return WatchRequest(PODS, "ns", "", "1", life=life, idle=life)


async def severed_in_mid_stream(kube: Kube, proxy: FaultProxy) -> None:
    async for _ in kube.watch(a_watch()):
        proxy.sever()


async def test_requests_pass_with_their_token_and_answers_with_their_warnings(
    server: ApiServer, proxy: FaultProxy
) -> None:
    server.on("POST", PATH, reply(a_pod("a"), 201, Warning='299 - "odd"'))
    async with connected(proxy) as kube:
        written = await kube.create(PODS, a_pod("a"))
    assert written.document == a_pod("a")
    assert written.warnings == ("odd",)
    assert server.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert server.requests[0].query == {"fieldValidation": "Warn"}
    assert server.requests[0].body == a_pod("a")


async def test_a_watch_passes_line_by_line(server: ApiServer, proxy: FaultProxy) -> None:
    first, second = event("ADDED", a_pod("a")), event("DELETED", a_pod("b"))
    server.on("WATCH", PATH, stream(first, second))
    async with connected(proxy) as kube:
        seen = [found.type async for found in kube.watch(a_watch())]
    assert seen == ["ADDED", "DELETED"]


async def test_writes_are_noted_in_order_but_events_are_not(
    server: ApiServer, proxy: FaultProxy
) -> None:
    server.on("POST", PATH, reply(a_pod("a"), 201))
    server.on("POST", EVENT_PATH, reply({}, 201))
    server.on("PATCH", f"{PATH}/a/status", reply(a_pod("a")))
    async with connected(proxy) as kube:
        await kube.create(PODS, a_pod("a"))
        await kube.create(EVENTS, a_pod("told"))
        await kube.patch(PODS, Key("ns", "a"), {}, subresource="status")
    assert [str(write) for write in proxy.writes] == ["create pods", "patch pods/status a"]
    assert len(proxy.asked) == 3


async def test_a_severed_operator_reaches_nobody_and_its_watches_break(
    server: ApiServer, proxy: FaultProxy
) -> None:
    server.on("WATCH", PATH, stream(event("ADDED", a_pod("a")), then="hang"))
    server.on("POST", PATH, reply(a_pod("a"), 201))
    async with connected(proxy) as kube, asyncio.timeout(10):
        with pytest.raises(Unreachable):
            await severed_in_mid_stream(kube, proxy)
        with pytest.raises(Unreachable):
            await kube.create(PODS, a_pod("a"))
    assert server.count("POST") == 0


@pytest.mark.parametrize(("kill", "arrive"), [(KillBefore(2), 1), (KillAfter(2), 2)])
async def test_a_kill_lets_so_many_writes_arrive_and_no_more(
    server: ApiServer, proxy: FaultProxy, kill: KillBefore | KillAfter, arrive: int
) -> None:
    server.on("POST", PATH, reply(a_pod("a"), 201))
    proxy.inject(kill)
    async with connected(proxy) as kube:
        await kube.create(PODS, a_pod("a"))
        for _ in range(2):
            with pytest.raises(Unreachable):
                await kube.create(PODS, a_pod("b"))
        await kill.died.wait()
    await proxy.drained()
    assert server.count("POST") == arrive
    assert kill.victim == "create pods"


async def test_open_watches_can_be_ended(server: ApiServer, proxy: FaultProxy) -> None:
    server.on("WATCH", PATH, stream(event("ADDED", a_pod("a")), then="hang"))
    async with connected(proxy) as kube, asyncio.timeout(10):
        async for _ in kube.watch(a_watch()):
            assert proxy.end_streams(on("watch", "pods")) == 1
