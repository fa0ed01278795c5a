"""The fault proxy itself: what it passes on, and that a killed operator is dead."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from faults.faults import (
    BareStatus,
    CutAnswer,
    CutInMidChunk,
    CutRequest,
    Delay,
    EmptyStream,
    ErrorEvent,
    Fault,
    Garbage,
    HiddenEvent,
    Lag,
    LostAnswer,
    LostRequest,
    OldEventsAgain,
    Refusal,
    RefusalAfterwards,
    RepeatEvents,
    Silence,
    SmallPieces,
    StaleList,
    on,
    on_first_list,
)
from faults.proxy import FaultProxy, a_fault_proxy
from faults.stopper import KillAfter, KillBefore
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.documents import JsonObject, get_object, get_text
from ray_operator.operator.errors import KubeError, Unreachable
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


# -- what each fault looks like to the operator's client

FIRST, SECOND = event("ADDED", a_pod("a", "2")), event("MODIFIED", a_pod("a", "3"))
WATCHES = on("watch", "pods")
SHORT = timedelta(seconds=0.3)


async def lines_through(
    server: ApiServer, proxy: FaultProxy, fault: Fault, *, idle: timedelta = timedelta(seconds=60)
) -> list[str]:
    """Watch two events through a fault; return the versions seen, and the error's class."""
    server.on("WATCH", PATH, stream(FIRST, SECOND, then="hang"))
    proxy.inject(fault)
    seen: list[str] = []
    async with connected(proxy) as kube, asyncio.timeout(10):
        try:
            async for found in kube.watch(replace(a_watch(), idle=idle)):
                seen.append(get_text(get_object(found.document, "metadata"), "resourceVersion"))
                if len(seen) == 4 or (seen[-1] == "3" and fault.is_spent):
                    break
        except KubeError as error:
            seen.append(type(error).__name__)
    return seen


STREAMS: dict[str, tuple[Callable[[], Fault], list[str]]] = {
    "silence": (lambda: Silence(WATCHES, skip=1), ["2", "Unreachable"]),
    "cut": (lambda: CutInMidChunk(WATCHES, skip=1), ["2", "Unreachable"]),
    "garbage": (lambda: Garbage(WATCHES, skip=1), ["2", "Unreachable"]),
    "error event": (lambda: ErrorEvent(WATCHES, skip=1), ["2", "Gone"]),
    "bare status": (lambda: BareStatus(WATCHES, skip=1), ["2", "Gone"]),
    "repeated": (lambda: RepeatEvents(WATCHES), ["2", "2", "3", "3"]),
    "old again": (lambda: OldEventsAgain(WATCHES), ["2", "3", "2", "Unreachable"]),
    "hidden": (lambda: HiddenEvent(WATCHES, ends_after=timedelta()), ["2", "Gone"]),
    "late": (lambda: Lag(WATCHES, timedelta()), ["2", "3", "Unreachable"]),
    "small pieces": (lambda: SmallPieces(WATCHES, bytes_each=5), ["2", "3", "Unreachable"]),
    "refused": (lambda: Refusal(410, WATCHES), ["Gone"]),
    "empty": (lambda: EmptyStream(WATCHES), []),
    "lost": (lambda: LostRequest(WATCHES), ["Unreachable"]),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_a_watch_suffers(server: ApiServer, proxy: FaultProxy, name: str) -> None:
    make, expected = STREAMS[name]
    fault = make()
    seen = await lines_through(server, proxy, fault, idle=SHORT)
    assert seen == expected
    assert fault.acted


CREATES = on("create", "pods")
REQUESTS: dict[str, tuple[Callable[[], Fault], str, int]] = {
    "refused": (lambda: Refusal(500, CREATES), "ServerError", 0),
    "refused for a while": (
        lambda: Refusal(429, CREATES, retry_after_seconds=99),
        "TooManyRequests",
        0,
    ),
    "refused afterwards": (lambda: RefusalAfterwards(CREATES), "ServerError", 1),
    "lost": (lambda: LostRequest(CREATES), "Unreachable", 0),
    "answer lost": (lambda: LostAnswer(CREATES), "Unreachable", 1),
    "cut": (lambda: CutRequest(CREATES), "Unreachable", 0),
    "cut in mid-answer": (lambda: CutAnswer(CREATES), "Unreachable", 1),
    "late": (lambda: Delay(CREATES, timedelta()), "", 1),
    "unauthorized once": (lambda: Refusal(401, CREATES), "", 1),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_write_suffers(server: ApiServer, proxy: FaultProxy, name: str) -> None:
    make, error_class, arrive = REQUESTS[name]
    fault = make()
    server.on("POST", PATH, reply(a_pod("a"), 201))
    proxy.inject(fault)
    options = KubeOptions(kubeconfig=proxy.kubeconfig, timeout=SHORT)
    kube = await Kube.connect(options, SystemClock())
    said = ""
    try:
        await kube.create(PODS, a_pod("a"))
    except KubeError as error:
        said = type(error).__name__
    await kube.close()
    assert (said, server.count("POST")) == (error_class, arrive)
    assert fault.is_spent


@pytest.mark.parametrize("by_watch", [False, True])
async def test_a_stale_list_shows_the_past_and_its_position(
    server: ApiServer, proxy: FaultProxy, *, by_watch: bool
) -> None:
    past: JsonObject = {
        "kind": "PodList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "7"},
        "items": [a_pod("old", "6")],
    }
    server.on("WATCH", PATH, stream(FIRST))
    proxy.inject(StaleList(on_first_list("pods"), past))
    async with connected(proxy) as kube:
        if by_watch:
            request = replace(a_watch(), resource_version="", initial=True)
            found = [event.document async for event in kube.watch(request)]
            assert server.requests[0].query["resourceVersion"] == "7"
            assert "sendInitialEvents" not in server.requests[0].query
        else:
            pages = kube.list_pages(PODS, namespace="ns")
            found = [item async for page in pages for item in page.items]
    names = [get_text(get_object(each, "metadata"), "name") for each in found]
    assert names == (["old", "", "a"] if by_watch else ["old"])
