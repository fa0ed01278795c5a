"""Is a cluster ready to serve, and may traffic be moved to it (rayservice.md 3.7, 9.4).

Each question has one answer in words: the empty text means yes, anything else says what is waited
for, and stands as it is in the condition's message.
"""

from ray_operator.api import labels
from ray_operator.controllers.assigned_config import read_assigned
from ray_operator.controllers.dashboard.reports import (
    DEFAULT_APPLICATION,
    RUNNING,
    ApplicationReport,
    ProxyHealth,
)
from ray_operator.controllers.rayservice.desired import Desired
from ray_operator.controllers.rayservice.observed import ClusterSeen, Observed
from ray_operator.controllers.rayservice.serving import is_excluded
from ray_operator.controllers.views.pod import PodView
from ray_operator.operator.documents import JsonObject, get_objects, get_text


def assigned_config(cluster: ClusterSeen, seen: Observed) -> JsonObject | None:
    """Return the config that a cluster is to run, None if it is unknown or there is none."""
    desired = seen.desired
    if isinstance(desired, Desired) and desired.serve_hash == cluster.assigned_hash:
        return desired.serve_config
    return read_assigned(cluster.annotations)


def application_names(config: JsonObject | None) -> tuple[str, ...]:
    """Return the names of a config's applications, as Ray reports them."""
    applications = get_objects(config or {}, "applications")
    return tuple(get_text(a, "name") or DEFAULT_APPLICATION for a in applications)


def missing_applications(cluster: ClusterSeen, config: JsonObject | None) -> tuple[str, ...]:
    """Return the assigned applications that Ray does not know of; none while Ray says nothing."""
    report = cluster.report
    if report is None:
        return ()
    return tuple(n for n in application_names(config) if report.application(n) is None)


def why_not_ready(cluster: ClusterSeen, config: JsonObject | None = None) -> str:
    """Say what keeps the assigned applications from running; "" if they run.

    `config` is the assigned one where the annotation could not hold it.
    """
    if not cluster.is_head_ready:
        return f"the head pod of RayCluster {cluster.name} is not ready"
    submitted = cluster.submitted
    if submitted is None or submitted.config_hash != cluster.assigned_hash:
        return "the Serve config is not accepted by Ray yet"
    report = cluster.report
    if report is None:
        return "Ray has not reported on the applications yet"
    waiting = [
        _describe(name, report.application(name))
        for name in application_names(config or read_assigned(cluster.annotations))
    ]
    return "; ".join(text for text in waiting if text)


def why_not_switchable(
    cluster: ClusterSeen, *, excludes_head: bool, config: JsonObject | None = None
) -> str:
    """Say why traffic may not be moved to a cluster; "" if it may."""
    if reason := why_not_ready(cluster, config):
        return reason
    serving = serving_pods(cluster, excludes_head=excludes_head)
    if not serving:
        return "no pod has a healthy Serve proxy"
    for pod in serving:
        if not pod.is_ready:
            return f"pod {pod.name} is not ready"
        if pod.labels.get(labels.SERVE) != labels.TRUE:
            return f"pod {pod.name} does not carry the label {labels.SERVE}=true yet"
    if not any(_answers(cluster, pod) for pod in serving):
        return "no Serve proxy answers /-/healthz yet"
    return ""


def serving_pods(cluster: ClusterSeen, *, excludes_head: bool) -> tuple[PodView, ...]:
    """Return the live pods whose Serve proxy Ray calls healthy, and that may serve."""
    report = cluster.report
    if report is None:
        return ()
    healthy = {proxy.node_ip for proxy in report.proxies if proxy.is_healthy}
    return tuple(
        pod
        for pod in cluster.live_pods
        if pod.ip in healthy and not is_excluded(cluster, pod, excludes_head=excludes_head)
    )


def _answers(cluster: ClusterSeen, pod: PodView) -> bool:
    observation = cluster.ray.observation
    return observation is not None and observation.proxies.get(pod.name) is ProxyHealth.OK


def _describe(name: str, application: ApplicationReport | None) -> str:
    if application is None:
        return f"application {name}: unknown to Ray"
    if application.status == RUNNING:
        return ""
    return f"application {name}: {application.status}"
