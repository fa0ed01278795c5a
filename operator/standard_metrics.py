"""Our numbers under the names that client-go and controller-runtime gave them.

Dashboards and alerts made for operators in Go go on working.  Nothing is counted twice: when
somebody scrapes, the samples of our own series are read, summed over the labels that the standard
names lack, and shown again.  The names and labels are those of controller-runtime 0.25
(`pkg/internal/controller/metrics`, `pkg/metrics`); the buckets of histograms are ours.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from ray_operator.operator import metrics

Labels = Mapping[str, str]

RESULTS = {"success": "success", "check_again": "requeue_after"}
"""How a reconcile ends, in our words and in controller-runtime's; anything else is its `error`."""

METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
}
"""HTTP methods of the API server's verbs."""

NO_ANSWER = "<error>"
"""What client-go shows in the place of a status code where no answer came; ours is 0."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """A series under another name: `relabel` returns its labels, `None` for what is left out."""

    name: str
    text: str
    source: Counter | Gauge | Histogram
    labels: tuple[str, ...]
    relabel: Callable[[Labels], Labels | None]

    def family(self) -> Metric:
        """Read the source now."""
        (source,) = self.source.collect()
        name = self.name.removesuffix("_total")
        sums: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        for sample in source.samples:
            labels = self.relabel(sample.labels)
            if labels is None:
                continue
            bucket = {"le": sample.labels["le"]} if "le" in sample.labels else {}
            key = (name + sample.name.removeprefix(source.name), (*labels.items(), *bucket.items()))
            sums[key] = sums.get(key, 0.0) + sample.value
        family = Metric(name, self.text, source.type)
        family.samples = [Sample(sample, dict(key), value) for (sample, key), value in sums.items()]
        return family


class StandardNames(Collector):
    """Collects what is renamed. `api_host` and `lease` are known once there is a connection."""

    def __init__(self) -> None:
        self.api_host = ""
        """Host and port of the API server."""
        self.lease = ""
        """The name of the Lease by which replicas agree on one leader."""
        self.renamed = (*_of_controllers(), *_of_queues(), *self._of_requests(), self._of_lead())

    def collect(self) -> Iterator[Metric]:
        """Compute all series now."""
        for renamed in self.renamed:
            yield renamed.family()

    def _of_requests(self) -> Iterator[Renamed]:
        yield Renamed(
            "rest_client_requests_total",
            "Requests to the API server by HTTP status.",
            metrics.API_REQUESTS,
            ("code", "method", "host"),
            lambda labels: {
                "code": NO_ANSWER if labels["code"] == "0" else labels["code"],
                "method": METHODS[labels["verb"]],
                "host": self.api_host,
            },
        )
        yield Renamed(
            "rest_client_request_duration_seconds",
            "Time until the API server's answer was read.",
            metrics.API_REQUEST_SECONDS,
            ("verb", "host"),
            lambda labels: {"verb": METHODS[labels["verb"]], "host": self.api_host},
        )

    def _of_lead(self) -> Renamed:
        return Renamed(
            "leader_election_master_status",
            "1 while this process leads, else 0.",
            metrics.LEADER,
            ("name",),
            lambda _: {"name": self.lease} if self.lease else None,
        )


def _of_controllers() -> Iterator[Renamed]:
    prefix = "controller_runtime_"
    yield Renamed(
        f"{prefix}reconcile_total",
        "Reconciles by how they ended: success, requeue_after or error.",
        metrics.RECONCILES,
        ("controller", "result"),
        lambda labels: {
            "controller": labels["controller"],
            "result": RESULTS.get(labels["result"], "error"),
        },
    )
    for name, text, is_counted in (
        ("reconcile_errors", "Reconciles that failed.", lambda result: result not in RESULTS),
        (
            "terminal_reconcile_errors",
            "Reconciles that failed, and are not retried before the object changes.",
            lambda result: result == "invalid",
        ),
        ("reconcile_timeouts", "Reconciles cut off.", lambda result: result == "timeout"),
        ("reconcile_panics", "Reconciles that met a bug.", lambda result: result == "bug"),
    ):
        yield Renamed(
            f"{prefix}{name}_total",
            text,
            metrics.RECONCILES,
            ("controller",),
            _with_result(is_counted),
        )
    yield Renamed(
        f"{prefix}reconcile_time_seconds",
        "Time from taking a key to letting go of it.",
        metrics.RECONCILE_SECONDS,
        ("controller",),
        lambda labels: {"controller": labels["controller"]},
    )


def _with_result(is_counted: Callable[[str], bool]) -> Callable[[Labels], Labels | None]:
    def relabel(labels: Labels) -> Labels | None:
        return {"controller": labels["controller"]} if is_counted(labels["result"]) else None

    return relabel


def _of_queues() -> Iterator[Renamed]:
    for name, text, source in (
        ("depth", "Keys that wait for a worker.", metrics.QUEUE_DEPTH),
        ("retries_total", "Keys put back with a back-off.", metrics.QUEUE_RETRIES),
        (
            "queue_duration_seconds",
            "Time that a key waited for a worker.",
            metrics.QUEUE_WAIT_SECONDS,
        ),
        (
            "work_duration_seconds",
            "Time from taking a key to letting go of it.",
            metrics.RECONCILE_SECONDS,
        ),
    ):
        yield Renamed(f"workqueue_{name}", text, source, ("name", "controller"), _as_queue)


def _as_queue(labels: Labels) -> Labels:
    return {"name": labels["controller"], "controller": labels["controller"]}


STANDARD_NAMES = StandardNames()
metrics.REGISTRY.register(STANDARD_NAMES)
