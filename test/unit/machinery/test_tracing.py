"""Spans as a collector gets them: real OTLP over HTTP, decoded with OpenTelemetry's own schema."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest

from ray_operator.controllers.dashboard.address import Endpoint, PodAddress
from ray_operator.controllers.dashboard.errors import DashboardError, Trouble
from ray_operator.controllers.dashboard.measured import Measured
from ray_operator.controllers.dashboard.transport import Answer, Request
from ray_operator.operator import tracing
from ray_operator.operator.clock import SystemClock
from ray_operator.operator.controller import Controller, Result
from ray_operator.operator.errors import NotFound
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import PODS, SERVICES
from ray_operator.operator.workqueue import WorkQueue
from support.api_server import ApiServer, a_pod, refusal, reply
from support.collector import Collector, running_collector

POD = "/api/v1/namespaces/ns/pods/a"
SERVICE = "/api/v1/namespaces/ns/services/a"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with running_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector
        tracing.shut_down()


class Reading:
    """A reconciler that reads a pod and a Service side by side, in tasks, then ends."""

    def __init__(self, kube: Kube, queue: WorkQueue) -> None:
        self._kube = kube
        self._queue = queue

    async def reconcile(self, key: Key) -> Result:
        self._queue.shut_down()
        reads = (self._kube.get(PODS, key), self._kube.get(SERVICES, key))
        await asyncio.gather(*reads)
        return Result()


async def reconcile_once(server: ApiServer) -> None:
    clock = SystemClock()
    queue = WorkQueue("traced", clock)
    async with server.connected() as kube:
        reconciler = Reading(kube, queue)
        queue.add(Key("ns", "a"))
        await Controller("traced", reconciler, queue, workers=1, clock=clock).run()


async def test_a_reconcile_is_a_span_and_each_call_a_child_of_it(
    collector: Collector, server: ApiServer
) -> None:
    server.on("GET", POD, reply(a_pod("a")))
    server.on("GET", SERVICE, reply(a_pod("a")))
    tracing.configure(collector.url, "1.2.3")

    await reconcile_once(server)
    tracing.shut_down()

    reconcile = collector.named("reconcile traced")
    assert collector.service == "ray-operator"
    assert reconcile.parent == ""
    assert not reconcile.is_call
    assert not reconcile.has_failed
    assert reconcile.fields.keys() == {"controller", "namespace", "name", "reconcile_id"}
    assert (reconcile.fields["namespace"], reconcile.fields["name"]) == ("ns", "a")
    for name, resource in (("get pods", "pods"), ("get services", "services")):
        call = collector.named(name)
        assert (call.trace, call.parent) == (reconcile.trace, reconcile.id)
        assert call.is_call
        assert call.fields == {"verb": "get", "resource": resource}


async def test_the_api_server_is_told_which_span_a_request_belongs_to(
    collector: Collector, server: ApiServer
) -> None:
    server.on("GET", POD, reply(a_pod("a")))
    server.on("GET", SERVICE, reply(a_pod("a")))
    tracing.configure(collector.url, "1.2.3")

    await reconcile_once(server)
    tracing.shut_down()

    # Version, trace, parent, flags (W3C Trace Context); that of the flags is the SDK's business.
    told = {a.path: a.headers["traceparent"].rpartition("-")[0] for a in server.requests}
    calls = {POD: collector.named("get pods"), SERVICE: collector.named("get services")}
    assert told == {path: f"00-{call.trace}-{call.id}" for path, call in calls.items()}


async def test_without_tracing_a_request_tells_nothing(server: ApiServer) -> None:
    server.on("GET", POD, reply(a_pod("a")))

    async with server.connected() as kube:
        await kube.get(PODS, Key("ns", "a"))

    assert "traceparent" not in server.requests[0].headers


async def test_a_failure_marks_the_call_and_the_reconcile(
    collector: Collector, server: ApiServer
) -> None:
    server.on("GET", POD, reply(a_pod("a")))
    server.on("GET", SERVICE, refusal(404, "NotFound", "no such Service"))
    tracing.configure(collector.url, "1.2.3")

    await reconcile_once(server)
    tracing.shut_down()

    assert collector.named("get services").has_failed
    assert "no such Service" in collector.named("get services").message
    assert not collector.named("get pods").has_failed
    assert collector.named("reconcile traced").has_failed


class Silent:
    """A transport behind which nobody answers."""

    async def send(self, endpoint: Endpoint, request: Request) -> Answer:
        raise DashboardError(Trouble.TIMEOUT, f"{endpoint.port} {request.call}: no answer")

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_request_to_ray_is_a_call(collector: Collector) -> None:
    tracing.configure(collector.url, "1.2.3")
    pod = Endpoint(PodAddress("ns", "head", "10.0.0.1"), 8265)

    with pytest.raises(DashboardError):
        await Measured(Silent(), SystemClock()).send(
            pod, Request("report", "GET", "/", timedelta(seconds=1))
        )
    tracing.shut_down()

    span = collector.named("ray report")
    assert span.is_call
    assert span.has_failed
    assert span.fields == {"namespace": "ns", "pod": "head"}


async def test_what_outlives_a_reconcile_begins_traces_of_its_own(collector: Collector) -> None:
    tracing.configure(collector.url, "1.2.3")

    async def poll() -> None:
        tracing.detach()
        with tracing.call("poll"):
            pass

    with tracing.span("reconcile"):
        polling = asyncio.create_task(poll())
    await polling
    with tracing.call("inner"):
        pass
    tracing.shut_down()

    assert collector.named("poll").parent == ""
    assert collector.named("poll").trace != collector.named("reconcile").trace


QUEUE, BATCH = 10, 5


def test_a_deaf_collector_holds_nothing_up_and_the_oldest_spans_are_dropped(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", str(QUEUE))
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", str(BATCH))
    collector.answers.clear()
    tracing.configure(collector.url, "1.2.3")

    for number in range(1_000):
        with tracing.span(f"span {number}"):
            pass
    assert collector.asked.wait(60)
    collector.answers.set()
    tracing.shut_down()

    # What was on its way, what was in the queue, and no more.
    assert QUEUE <= len(collector.spans) <= QUEUE + BATCH
    assert collector.named("span 999")


def test_a_stop_does_not_wait_for_a_collector_that_never_answers(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.answers.clear()
    tracing.configure(collector.url, "1.2.3")
    with tracing.span("last"):
        pass

    tracing.shut_down()

    assert "the last spans could not be sent in time" in caplog.messages
    collector.answers.set()


def test_a_collector_that_is_not_there_is_no_failure(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    del collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    tracing.configure("http://127.0.0.1:9", "1.2.3")

    with tracing.span("lost"):
        pass
    tracing.shut_down()


def test_nothing_of_opentelemetry_is_loaded_without_an_endpoint() -> None:
    code = (
        "import sys; from ray_operator.operator import main, tracing; tracing.configure('', '');"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert done.returncode == 0, done.stderr


async def test_a_span_costs_nothing_when_nobody_traces() -> None:
    with tracing.span("a", name="b") as one, tracing.call("c") as other:
        assert one is other is None
    assert tracing.headers() == {}


def test_an_exception_passes_through_a_span(collector: Collector) -> None:
    tracing.configure(collector.url, "1.2.3")

    with pytest.raises(NotFound), tracing.span("failing"):
        raise NotFound("no")
    tracing.shut_down()

    assert collector.named("failing").has_failed
