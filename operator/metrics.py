"""Every metric of the process, declared in one place.

Ours carry the prefix `ray_operator_`; labels come from closed sets, never from names, UIDs or
messages.  What client-go and controller-runtime have names for is served under these, too, so that
dashboards made for them work: what we have no name of our own for is declared here, the rest is
the same numbers under another name (`standard_metrics.py`).
The `kuberay_*` series, which do carry names, are collected from the caches at scrape time by the
controllers, which register a collector with `REGISTRY`.
docs/observability.md has the table for users; a test compares it.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

# A time of birth beside each series doubles their number.  (The library leaves this one untyped.)
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
"""Our own, so that nothing that a library registers globally is served by accident."""

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds: from one cached look to a call that timed out."""
_SLOW = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600)
"""Seconds: from pods that start at once to an image of 20 GB."""


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


def _fast(name: str, text: str, *labels: str) -> Histogram:
    return Histogram(name, text, labels, buckets=_FAST, registry=REGISTRY)


def _slow(name: str, text: str, *labels: str) -> Histogram:
    return Histogram(name, text, labels, buckets=_SLOW, registry=REGISTRY)


RECONCILES = _counter(
    "ray_operator_reconcile_total",
    "Reconciles by how they ended: success, check_again, conflict, invalid, error, timeout or bug.",
    "controller",
    "result",
)
RECONCILE_SECONDS = _fast(
    "ray_operator_reconcile_seconds", "Time from taking a key to letting go of it.", "controller"
)
QUEUE_DEPTH = _gauge("ray_operator_queue_depth", "Keys that wait for a worker.", "controller")
QUEUE_WAIT_SECONDS = _fast(
    "ray_operator_queue_wait_seconds", "Time that a key waited for a worker.", "controller"
)
QUEUE_RETRIES = _counter(
    "ray_operator_queue_retries_total", "Keys put back with a back-off.", "controller"
)
QUEUE_ADDS = _counter(
    "workqueue_adds_total", "Keys that came to wait, or came back into work.", "name", "controller"
)
UNFINISHED_SECONDS = _gauge(
    "workqueue_unfinished_work_seconds",
    "Time that the reconciles which run now have taken so far, together.",
    "name",
    "controller",
)
LONGEST_SECONDS = _gauge(
    "workqueue_longest_running_processor_seconds",
    "Time that the longest of the reconciles which run now has taken so far.",
    "name",
    "controller",
)
WORKERS = _gauge(
    "controller_runtime_max_concurrent_reconciles", "Keys that may be in work.", "controller"
)
ACTIVE_WORKERS = _gauge("controller_runtime_active_workers", "Keys that are in work.", "controller")
API_REQUESTS = _counter(
    "ray_operator_api_requests_total",
    "Requests to the API server by HTTP status; code 0 had no answer.",
    "verb",
    "resource",
    "code",
)
API_REQUEST_SECONDS = _fast(
    "ray_operator_api_request_seconds", "Time until the answer was read.", "verb", "resource"
)
WATCH_AGE_SECONDS = _gauge(
    "ray_operator_watch_age_seconds",
    "Time since the last byte of the watch; above 160 the cache may be stale.",
    "resource",
)
WATCH_UNAVAILABLE = _gauge(
    "ray_operator_watch_unavailable",
    "1 while a kind can't be watched, because its API or the permission is missing.",
    "resource",
)
RELISTS = _counter(
    "ray_operator_relists_total",
    "Full lists by cause: start, expired (410), fruitless (streams that brought nothing), disorder "
    "(versions that went back), checkup (half an hour has passed) or error.",
    "resource",
    "cause",
)
UNREADABLE_OBJECTS = _gauge(
    "ray_operator_unreadable_objects",
    "Objects whose latest version could not be understood; the version before it is in use.",
    "resource",
)
LOOP_LAG_SECONDS = _gauge(
    "ray_operator_loop_lag_seconds", "How late the event loop woke at its last heartbeat."
)
LEADER = _gauge("ray_operator_leader", "1 while this process leads, else 0.")
TASK_DEATHS = _counter(
    "ray_operator_task_deaths_total", "Background tasks that failed and were restarted."
)
EVENTS_DROPPED = _counter(
    "ray_operator_events_dropped_total", "Events lost because too many were waiting."
)
CRD_OUTDATED = _gauge(
    "ray_operator_crd_outdated", "1 if the installed CRD is older than this operator.", "kind"
)
RAY_REQUESTS = _counter(
    "ray_operator_ray_requests_total", "Requests to Ray by outcome.", "call", "outcome"
)
RAY_REQUEST_SECONDS = _fast(
    "ray_operator_ray_request_seconds", "Time until Ray's answer was read.", "call"
)
BREAKER_OPEN = _gauge(
    "ray_operator_breaker_open", "Clusters whose dashboard is left alone for now."
)
CLUSTER_READY_SECONDS = _slow(
    "ray_operator_cluster_ready_seconds", "RayCluster: from creation to the first ready."
)
JOB_START_SECONDS = _slow(
    "ray_operator_job_start_seconds", "RayJob: from creation to the running job."
)
JOBS_FINISHED = _counter("ray_operator_jobs_finished_total", "Finished RayJobs.", "outcome")
SERVICE_READY_SECONDS = _slow(
    "ray_operator_service_ready_seconds", "RayService: from creation to the first ready."
)
SERVICE_SWITCH_SECONDS = _slow(
    "ray_operator_service_switch_seconds", "RayService: from a new RayCluster to its traffic."
)
SERVICE_UPGRADES = _counter(
    "ray_operator_service_upgrades_total",
    "Upgrades of RayServices: switched to the new RayCluster, superseded by a newer one, or "
    "abandoned.",
    "strategy",
    "outcome",
)
# What every exporter shows: CPU, memory, descriptors; Python's version; its garbage collector.
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


def render() -> bytes:
    """Write all series in Prometheus' text format; safe in any thread."""
    return generate_latest(REGISTRY)
