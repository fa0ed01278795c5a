"""What the status says about one cluster: its Serve applications, deployments and dashboard.

Times move only when the thing that they are about does: `lastUpdateTime` with state and message,
`healthLastUpdateTime` when health is lost (the last healthy moment) or regained.  While Ray says
nothing, what it said last stands.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ray_operator.api.times import format_time
from ray_operator.controllers.dashboard.reports import (
    ApplicationReport,
    DeploymentReport,
    ServeReport,
)
from ray_operator.controllers.rayservice.observed import ClusterSeen
from ray_operator.controllers.rayservice.trouble import FAILING, plain
from ray_operator.operator.documents import JsonObject, JsonValue, get_object, get_objects, get_text

_APPLICATIONS = "applicationStatuses"
_DEPLOYMENTS = "serveDeploymentStatuses"


def cluster_status(
    name: str, cluster: ClusterSeen | None, old: JsonObject, now: datetime
) -> JsonObject:
    """Return the active or pending part of the status for the cluster of that name.

    `old` is what the status says of the same cluster now, empty if it says nothing.
    """
    if not name:
        return {}
    report = cluster.report if cluster else None
    status: dict[str, JsonValue] = {
        "rayClusterName": name,
        "rayClusterStatus": cluster.status if cluster else {},
        "dashboardStatus": _dashboard(cluster, get_object(old, "dashboardStatus"), now),
    }
    if report is None:
        kept = {key: old[key] for key in (_APPLICATIONS, _DEPLOYMENTS) if key in old}
        return {**status, "appStatus": get_object(old, "appStatus"), **kept}
    applications = {
        a.name: _application(a, get_object(old, _APPLICATIONS, a.name), now)
        for a in report.applications
    }
    return {
        **status,
        "appStatus": _only(applications),
        **({_APPLICATIONS: applications} if applications else {}),
        **_flat(report, old, now),
    }


def _application(report: ApplicationReport, old: JsonObject, now: datetime) -> JsonObject:
    deployments = {
        d.name: _stated(d, get_object(old, _DEPLOYMENTS, d.name), now) for d in report.deployments
    }
    stated = _stated(report, old, now)
    return {**stated, _DEPLOYMENTS: deployments} if deployments else stated


def _only(applications: dict[str, JsonObject]) -> JsonObject:
    """The first release knew one application only, and had a field for it."""
    if len(applications) != 1:
        return {}
    (only,) = applications.values()
    return {key: value for key, value in only.items() if key != _DEPLOYMENTS}


def _flat(report: ServeReport, old: JsonObject, now: datetime) -> JsonObject:
    """The first releases listed the deployments of all applications, by their bare names."""
    before = {get_text(entry, "name"): entry for entry in get_objects(old, _DEPLOYMENTS)}
    listed = [
        {"name": name, **_stated(deployment, before.get(name, {}), now)}
        for name, deployment in _bare(report.applications)
    ]
    return {_DEPLOYMENTS: listed} if listed else {}


def _bare(applications: Iterable[ApplicationReport]) -> Iterator[tuple[str, DeploymentReport]]:
    for application in applications:
        for deployment in application.deployments:
            yield deployment.name.removeprefix(f"{application.name}_"), deployment


def _stated(
    report: ApplicationReport | DeploymentReport, old: JsonObject, now: datetime
) -> dict[str, JsonValue]:
    stated: dict[str, JsonValue] = {"status": report.status}
    if message := plain(report.message):
        stated["message"] = message
    is_same = old and all(
        get_text(old, key) == get_text(stated, key) for key in ("status", "message")
    )
    moment = format_time(now)
    return {
        **stated,
        "lastUpdateTime": get_text(old, "lastUpdateTime") if is_same else moment,
        "healthLastUpdateTime": _health_time(
            old,
            was_well=get_text(old, "status") not in FAILING,
            is_well=report.status not in FAILING,
            moment=moment,
        ),
    }


def _health_time(old: JsonObject, *, was_well: bool, is_well: bool, moment: str) -> str:
    """Health lost or regained is worth a write; health that goes on is not."""
    known = get_text(old, "healthLastUpdateTime")
    return known if known and was_well == is_well else moment


def _dashboard(cluster: ClusterSeen | None, old: JsonObject, now: datetime) -> JsonObject:
    observation = cluster.ray.observation if cluster else None
    moment = format_time(now)
    if observation is None:
        return old or {"healthLastUpdateTime": moment, "lastUpdateTime": moment}
    is_healthy = observation.is_well
    was_healthy = old.get("isHealthy") is True
    if old and was_healthy == is_healthy:
        return old
    lost_at = format_time(observation.answered_at) if observation.answered_at else moment
    known = get_text(old, "healthLastUpdateTime")
    unhealthy_since = lost_at if was_healthy else known or moment
    return {
        **({"isHealthy": True} if is_healthy else {}),
        "lastUpdateTime": moment,
        "healthLastUpdateTime": moment if is_healthy else unhealthy_since,
    }
