"""Liveness and readiness of the Ray container (raycluster.md 5.7).

Recent Ray answers one HTTP request for the whole node; older Ray is asked by wget for each of its
daemons.  A user's own probe stays, each of the two on its own.
"""

from dataclasses import dataclass

from ray_operator.api.versions import is_at_least, is_image_older
from ray_operator.controllers.manifests.cluster import Cluster, Group
from ray_operator.controllers.manifests.options import BuildOptions
from ray_operator.controllers.manifests.ports import (
    DASHBOARD,
    DASHBOARD_AGENT,
    SERVE,
    param_port,
    port_number,
)
from ray_operator.operator.documents import JsonObject, get_text

HTTP_HEALTH_SINCE = "2.53.0"
"""From this release the agent answers /api/healthz for raylet and GCS together."""
_RAYLET_SECONDS = 2
_GCS_SECONDS = 10
_PROXY_SECONDS = 2


@dataclass(frozen=True, slots=True)
class _Timing:
    initial_delay: int
    failures: int


_LIVENESS = _Timing(initial_delay=30, failures=120)
_READINESS = _Timing(initial_delay=10, failures=10)
_SERVING = _Timing(initial_delay=10, failures=1)
"""A proxy that drains must leave the endpoints within one period, even without the operator."""
_PERIOD_SECONDS = 5
_HEAD_TIMEOUT_SECONDS = 12
_WORKER_TIMEOUT_SECONDS = 4
"""The sum of what the checks of a head or a worker may take; the peer's 5 and 2 are shorter."""


def with_probes(
    container: JsonObject,
    cluster: Cluster,
    group: Group,
    options: BuildOptions,
) -> JsonObject:
    """Return the Ray container with the probes that the user left to us."""
    if not options.inject_probes:
        return container
    health = _health(cluster, group)
    serves = cluster.serves and not group.is_head
    readiness = _serving(cluster, group) if serves else health
    timing = _SERVING if serves else _READINESS
    probes = {
        "livenessProbe": _probe(health, group, _LIVENESS),
        "readinessProbe": _probe(readiness, group, timing),
    }
    return {**probes, **{key: value for key, value in container.items() if value is not None}}


def _health(cluster: Cluster, group: Group) -> JsonObject:
    port = param_port(group.start_params, DASHBOARD_AGENT)
    if _has_http_health(cluster, group):
        return {"httpGet": {"path": "/api/healthz", "port": port}}
    checks = [_check(_RAYLET_SECONDS, port, "api/local_raylet_healthz")]
    if group.is_head:
        dashboard = param_port(group.start_params, DASHBOARD)
        checks.append(_check(_GCS_SECONDS, dashboard, "api/gcs_healthz"))
    return _bash(" && ".join(checks))


def _serving(cluster: Cluster, group: Group) -> JsonObject:
    """Ready with a healthy proxy, or without any: a closed port passes."""
    agent = param_port(group.start_params, DASHBOARD_AGENT)
    proxy = port_number(cluster.ports, SERVE)
    raylet = _check(_RAYLET_SECONDS, agent, "api/local_raylet_healthz")
    healthy = _check(_PROXY_SECONDS, proxy, "-/healthz")
    closed = f"! (: </dev/tcp/localhost/{proxy}) 2>/dev/null"
    return _bash(f"{raylet} && {{ {closed} || {healthy}; }}")


def _has_http_health(cluster: Cluster, group: Group) -> bool:
    """A version may be declared that the image does not have: the older of the two counts."""
    image = get_text(group.ray_container, "image")
    declared = is_at_least(cluster.ray_version, HTTP_HEALTH_SINCE)
    return declared and not is_image_older(image, HTTP_HEALTH_SINCE)


def _check(seconds: int, port: int, path: str) -> str:
    address = f"http://localhost:{port}/{path}"
    return f"wget --tries 1 -T {seconds} -q -O- {address} | grep success"


def _bash(command: str) -> JsonObject:
    return {"exec": {"command": ["bash", "-c", command]}}


def _probe(handler: JsonObject, group: Group, timing: _Timing) -> JsonObject:
    return {
        **handler,
        "initialDelaySeconds": timing.initial_delay,
        "periodSeconds": _PERIOD_SECONDS,
        "timeoutSeconds": _HEAD_TIMEOUT_SECONDS if group.is_head else _WORKER_TIMEOUT_SECONDS,
        "successThreshold": 1,
        "failureThreshold": timing.failures,
    }
