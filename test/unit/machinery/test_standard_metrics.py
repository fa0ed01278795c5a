"""The names of client-go and controller-runtime show the numbers of ours, counted once."""

import asyncio
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from ray_operator.operator import metrics
from ray_operator.operator.controller import Controller, Result
from ray_operator.operator.errors import Conflict, InvalidSpecError, ServerError
from ray_operator.operator.keys import Key
from ray_operator.operator.standard_metrics import Renamed, StandardNames
from ray_operator.operator.workqueue import WorkQueue
from support.fake_clock import FakeClock, settle


def value(series: str, /, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(series, labels)


def registered(names: StandardNames) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(names)
    return registry


class Scripted:
    """A reconciler that ends as it is told, or waits."""

    def __init__(self) -> None:
        self.ends: list[BaseException | Result | asyncio.Event] = []

    async def reconcile(self, key: Key) -> Result:
        del key
        match self.ends.pop(0):
            case Result() as result:
                return result
            case BaseException() as error:
                raise error
            case event:
                await event.wait()
                return Result()


async def test_each_end_of_a_reconcile_counts_under_controller_runtimes_names(
    clock: FakeClock,
) -> None:
    name = "standard-ends"
    queue, reconciler = WorkQueue(name, clock), Scripted()
    reconciler.ends = [
        Result(),
        Result(check_again=timedelta(seconds=1)),
        InvalidSpecError("spec.x", "expected a number"),
        Conflict("changed"),
        ServerError("no"),
        ZeroDivisionError("oops"),
    ]
    working = asyncio.create_task(Controller(name, reconciler, queue, workers=1, clock=clock).run())
    for number in range(6):
        queue.add(Key("ns", str(number)))
    await settle()

    total = "controller_runtime_reconcile_total"
    assert value(total, controller=name, result="success") == 1
    assert value(total, controller=name, result="requeue_after") == 1
    assert value(total, controller=name, result="error") == 4
    assert value("controller_runtime_reconcile_errors_total", controller=name) == 4
    assert value("controller_runtime_terminal_reconcile_errors_total", controller=name) == 1
    assert value("controller_runtime_reconcile_panics_total", controller=name) == 1
    assert value("controller_runtime_reconcile_timeouts_total", controller=name) == 0
    assert value("controller_runtime_reconcile_time_seconds_count", controller=name) == 6
    labels = {"name": name, "controller": name}
    assert value("workqueue_adds_total", **labels) == 6
    assert value("workqueue_queue_duration_seconds_count", **labels) == 6
    assert value("workqueue_work_duration_seconds_count", **labels) == 6
    assert value("workqueue_retries_total", **labels) == 3
    queue.shut_down()
    await asyncio.wait_for(working, 5)


async def test_what_is_in_work_is_seen_while_it_is(clock: FakeClock) -> None:
    name = "standard-work"
    labels = {"name": name, "controller": name}
    queue, reconciler, gate = WorkQueue(name, clock), Scripted(), asyncio.Event()
    reconciler.ends = [gate, gate]
    controller = Controller(name, reconciler, queue, workers=2, clock=clock)
    working = asyncio.create_task(controller.run())
    queue.add(Key("ns", "a"))
    await settle()
    clock.advance(timedelta(seconds=3))
    queue.add(Key("ns", "b"))
    await settle()
    clock.advance(timedelta(seconds=4))
    queue.add(Key("ns", "c"))

    assert value("controller_runtime_max_concurrent_reconciles", controller=name) == 2
    assert value("controller_runtime_active_workers", controller=name) == 2
    assert value("workqueue_depth", **labels) == 1
    assert value("workqueue_unfinished_work_seconds", **labels) == 7 + 4
    assert value("workqueue_longest_running_processor_seconds", **labels) == 7

    reconciler.ends = [Result()]
    gate.set()
    await settle()
    assert value("controller_runtime_active_workers", controller=name) == 0
    assert value("workqueue_unfinished_work_seconds", **labels) == 0
    assert value("workqueue_longest_running_processor_seconds", **labels) == 0
    queue.shut_down()
    await asyncio.wait_for(working, 5)


def test_a_key_counts_as_added_once_until_it_is_taken(clock: FakeClock) -> None:
    queue = WorkQueue("standard-adds", clock)
    for _ in range(5):
        queue.add(Key("ns", "a"))

    assert value("workqueue_adds_total", name="standard-adds", controller="standard-adds") == 1


async def test_a_key_that_is_added_while_in_work_counts_once_more(clock: FakeClock) -> None:
    queue = WorkQueue("standard-dirty", clock)
    queue.add(Key("ns", "a"))
    key = await queue.get()
    for _ in range(5):
        queue.add(key)
    queue.done(key)

    assert value("workqueue_adds_total", name="standard-dirty", controller="standard-dirty") == 2


def test_requests_are_summed_over_resources_under_client_gos_names() -> None:
    names = StandardNames()
    names.api_host = "standard.example:6443"
    registry = registered(names)

    def counts() -> list[float]:
        labels = {"method": "PATCH", "host": names.api_host}
        found = [
            registry.get_sample_value("rest_client_requests_total", {"code": code, **labels})
            for code in ("200", "<error>")
        ]
        labels = {"verb": "PATCH", "host": names.api_host}
        count = "rest_client_request_duration_seconds_count"
        return [each or 0 for each in (*found, registry.get_sample_value(count, labels))]

    before = counts()
    for resource in ("pods", "services"):
        metrics.API_REQUESTS.labels("patch", resource, "200").inc()
        metrics.API_REQUEST_SECONDS.labels("patch", resource).observe(0.1)
    metrics.API_REQUESTS.labels("patch", "pods", "0").inc()

    assert [new - old for new, old in zip(counts(), before, strict=True)] == [2, 1, 2]


def test_the_lead_has_the_name_of_the_lease() -> None:
    names = StandardNames()
    names.lease = "a-lease"
    registry = registered(names)

    def lead() -> float | None:
        return registry.get_sample_value("leader_election_master_status", {"name": "a-lease"})

    metrics.LEADER.set(1)
    assert lead() == 1
    metrics.LEADER.set(0)
    assert lead() == 0


def test_a_process_shows_what_every_exporter_shows() -> None:
    text = metrics.render().decode()

    for name in (
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "python_info{",
        "python_gc_collections_total{",
    ):
        assert f"\n{name}" in text


def test_a_renamed_histogram_keeps_its_buckets_in_order() -> None:
    source = Histogram("a_seconds", "x", ["kind"], buckets=(1, 2), registry=None)
    source.labels("a").observe(0.5)
    source.labels("b").observe(1.5)
    renamed = Renamed("b_seconds", "y", source, (), lambda _: {})

    assert [(s.name, s.labels.get("le"), s.value) for s in renamed.family().samples] == [
        ("b_seconds_bucket", "1.0", 1),
        ("b_seconds_bucket", "2.0", 2),
        ("b_seconds_bucket", "+Inf", 2),
        ("b_seconds_count", None, 2),
        ("b_seconds_sum", None, 2),
    ]


def test_a_renamed_counter_is_written_as_prometheus_wants_it() -> None:
    source = Counter("a_total", "x", ["kind"], registry=None)
    source.labels("a").inc()
    registry = CollectorRegistry()

    class Shown:
        def collect(self) -> list[object]:
            return [Renamed("b_total", "y", source, ("k",), lambda m: {"k": m["kind"]}).family()]

    registry.register(Shown())  # type: ignore[arg-type]  # it has all that is asked of it

    assert generate_latest(registry).decode().splitlines() == [
        "# HELP b_total y",
        "# TYPE b_total counter",
        'b_total{k="a"} 1.0',
    ]
