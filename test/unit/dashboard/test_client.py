"""The client over real HTTP, straight and through something that looks like the API server."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
import pytest

from ray_operator.controllers.dashboard.address import ClusterAddress, Endpoint, PodAddress
from ray_operator.controllers.dashboard.admission import Admission
from ray_operator.controllers.dashboard.client import ServeClient, Timeouts
from ray_operator.controllers.dashboard.errors import DashboardError, RejectedError, Trouble
from ray_operator.controllers.dashboard.measured import Measured
from ray_operator.controllers.dashboard.reports import ProxyHealth
from ray_operator.controllers.dashboard.transport import Direct, Proxied, base_url
from ray_operator.operator import metrics
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.errors import Unreachable
from support.dashboard import AGENT, FakeRays, Mode

HEAD = PodAddress("default", "demo-head-abcde", "10.0.0.1")
WORKER = PodAddress("default", "demo-worker-abcde", "10.0.0.2")
CLUSTER = ClusterAddress(uid="u1", head=HEAD, head_uid="h1", pods=(HEAD, WORKER))
CONFIG = (
    b'{"applications":[{"name":"fruit","import_path":"fruit:app","deployments":[{"name":"M"}]}]}'
)
QUICK = Timeouts(
    read=timedelta(seconds=0.2), write=timedelta(seconds=0.2), probe=timedelta(seconds=0.2)
)


@dataclass(frozen=True)
class Raw:
    status: int
    body: bytes


class ApiServer:
    """Passes requests on to the fake Rays, as the real one does to pods."""

    def __init__(self, rays: FakeRays) -> None:
        self._rays = rays

    async def raw(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        timeout: timedelta,  # noqa: ASYNC109 - the client's signature
    ) -> Raw:
        pod = path.split("/pods/")[1].split(":", maxsplit=1)[0]
        if self._rays.mode_of(pod) is Mode.REFUSED:
            return Raw(503, b'{"kind":"Status","message":"error trying to reach service"}')
        limit = aiohttp.ClientTimeout(total=timeout.total_seconds())
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.request(method, self._rays.base + path, data=body, timeout=limit) as answer,
            ):
                return Raw(answer.status, await answer.read())
        except TimeoutError as error:
            raise Unreachable("no answer") from error


@pytest.fixture
async def rays() -> AsyncIterator[FakeRays]:
    async with FakeRays().serving() as serving:
        yield serving


@pytest.fixture(params=["direct", "proxied"])
async def client(request: pytest.FixtureRequest, rays: FakeRays) -> AsyncIterator[ServeClient]:
    if request.param == "proxied":
        yield ServeClient(Proxied(ApiServer(rays)), Admission(), QUICK)
        return
    transport = Direct(rays.locate)
    yield ServeClient(transport, Admission(), QUICK)
    await transport.close()


async def test_what_is_deployed_is_reported(client: ServeClient) -> None:
    await client.deploy(CLUSTER, CONFIG)
    await client.report(CLUSTER)
    report = await client.report(CLUSTER)
    application = report.application("fruit")
    assert application is not None
    assert (application.status, application.deployments[0].status) == ("RUNNING", "HEALTHY")


async def test_a_ray_without_applications_reports_none(client: ServeClient) -> None:
    assert (await client.report(CLUSTER)).applications == ()


async def test_the_agents_port_is_asked_where_the_dashboard_has_no_serve(
    client: ServeClient, rays: FakeRays
) -> None:
    rays.serve_api_port = AGENT
    await client.deploy(CLUSTER, CONFIG)
    await client.report(CLUSTER)
    ports = [port for _, _, port, _ in rays.requests]
    assert ports == [8265, AGENT, AGENT], "the port that worked is remembered"


async def test_a_new_head_is_asked_afresh_where_its_serve_is(
    client: ServeClient, rays: FakeRays
) -> None:
    rays.serve_api_port = AGENT
    await client.report(CLUSTER)
    rays.serve_api_port = 8265
    restarted = ClusterAddress(uid="u1", head=HEAD, head_uid="h1", head_restarts=1)
    await client.report(restarted)
    assert rays.requests[-1][2] == 8265


FAILURES: Mapping[str, tuple[Mode, Trouble]] = {
    "a hung dashboard times out": (Mode.HUNG, Trouble.TIMEOUT),
    "a dashboard that answers 500 is a server error": (Mode.BROKEN, Trouble.SERVER_ERROR),
    "a dashboard that knows no such page is not found": (Mode.MISSING, Trouble.NOT_FOUND),
    "a page of HTML is no report": (Mode.GARBAGE, Trouble.SERVER_ERROR),
    "a closed port refuses": (Mode.REFUSED, Trouble.REFUSED),
}


@pytest.mark.parametrize(("mode", "trouble"), FAILURES.values(), ids=FAILURES.keys())
async def test_each_failure_has_its_name(
    client: ServeClient, rays: FakeRays, mode: Mode, trouble: Trouble
) -> None:
    rays.answer("demo-head", mode)
    with pytest.raises(DashboardError) as caught:
        await client.report(CLUSTER)
    assert caught.value.trouble is trouble


async def test_a_config_that_ray_refuses_carries_rays_words(
    client: ServeClient, rays: FakeRays
) -> None:
    rays.rejects = "num_replicas and autoscaling_config cannot both be given"
    with pytest.raises(RejectedError) as caught:
        await client.deploy(CLUSTER, CONFIG)
    assert (caught.value.status, caught.value.text) == (400, rays.rejects)


PROXIES: Mapping[str, tuple[Mode, ProxyHealth]] = {
    "a proxy that answers is well": (Mode.NORMAL, ProxyHealth.OK),
    "a proxy that answers 500 takes no requests": (Mode.BROKEN, ProxyHealth.DRAINING),
    "a proxy that hangs is silent": (Mode.HUNG, ProxyHealth.SILENT),
    "a pod without a proxy refuses": (Mode.REFUSED, ProxyHealth.REFUSED),
}


@pytest.mark.parametrize(("mode", "health"), PROXIES.values(), ids=PROXIES.keys())
async def test_a_proxy_says_how_it_is(
    client: ServeClient, rays: FakeRays, mode: Mode, health: ProxyHealth
) -> None:
    rays.answer("demo-worker", mode)
    assert await client.proxy_health(CLUSTER, WORKER) is health


async def test_nothing_in_a_request_looks_like_a_browser(rays: FakeRays) -> None:
    transport = Direct(rays.locate)
    await ServeClient(transport, Admission(), QUICK).report(CLUSTER)
    await transport.close()
    sent = rays.headers[0]
    assert "Mozilla" not in sent.get("User-Agent", "")
    assert not {"Origin", "Referer"} & set(sent)


async def test_hung_clusters_leave_connections_for_those_that_answer(rays: FakeRays) -> None:
    rays.answer("hung", Mode.HUNG)
    transport = Direct(rays.locate)
    admission = Admission(total=4, reserved=2)
    patient = Timeouts(read=timedelta(seconds=30))
    await ServeClient(transport, admission, QUICK).report(CLUSTER)
    client = ServeClient(transport, admission, patient)
    async with hanging(client, count=10):
        await ServeClient(transport, admission, QUICK).report(CLUSTER)
    await transport.close()


async def test_requests_are_counted_by_call_and_outcome(rays: FakeRays) -> None:
    transport = Direct(rays.locate)
    client = ServeClient(Measured(transport, SystemClock()), Admission(), QUICK)
    before = [counted("report", "ok"), counted("report", "timeout")]
    await client.report(CLUSTER)
    rays.answer("demo-head", Mode.HUNG)
    with pytest.raises(DashboardError):
        await client.report(CLUSTER)
    await transport.close()
    assert [counted("report", "ok"), counted("report", "timeout")] == [n + 1 for n in before]


def counted(call: str, outcome: str) -> float:
    labels = {"call": call, "outcome": outcome}
    return metrics.REGISTRY.get_sample_value("ray_operator_ray_requests_total", labels) or 0.0


def test_addresses_of_ipv6_stand_in_brackets() -> None:
    pod = PodAddress("default", "p", "fd00::1")
    assert base_url(Endpoint(pod, 8265)) == "http://[fd00::1]:8265"


@asynccontextmanager
async def hanging(client: ServeClient, count: int) -> AsyncIterator[None]:
    """Keep `count` requests to hung dashboards under way while the body runs."""
    clusters = [
        ClusterAddress(f"hung-{n}", PodAddress("default", f"hung-{n}", "10.1.1.1"), f"h{n}")
        for n in range(count)
    ]
    tasks = [asyncio.create_task(client.report(cluster)) for cluster in clusters]
    await asyncio.sleep(0)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
