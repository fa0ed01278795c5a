"""When a cluster that serves badly for long is replaced by another one (rayservice.md 9.3).

The clocks stand in the status (when health was last seen), so that a restart of the operator
neither resets nor doubles them.  The guards are many, because a needless replacement costs a whole
cluster.
"""

from datetime import datetime, timedelta

from ray_operator.api import annotations
from ray_operator.api.times import format_time, parse_time
from ray_operator.controllers.dashboard.errors import Trouble
from ray_operator.controllers.rayservice.desired import Desired, Strategy
from ray_operator.controllers.rayservice.observed import ClusterSeen, Observed
from ray_operator.controllers.rayservice.readiness import application_names, assigned_config
from ray_operator.controllers.rayservice.trouble import FAILING
from ray_operator.operator.documents import JsonObject, decode, get_int, get_object, get_text

LONGEST_PAUSE = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(hours=24)
"""Replacements longer ago than this do not make the next one wait."""
LOOKS_PER_THRESHOLD = 10
"""While something is ill: often enough that a replacement comes at most a tenth too late."""
_OUR_FAULT = frozenset({Trouble.UNAUTHORIZED, Trouble.NOT_FOUND})
"""A dashboard that answers 4xx is alive: another cluster would answer the same."""


def why_replace(seen: Observed, now: datetime) -> str:
    """Say why the active cluster is to be replaced though its spec is unchanged; "" if it is not.

    Called only while there is no pending cluster.
    """
    desired, active = seen.desired, seen.active
    if not isinstance(desired, Desired) or active is None or not seen.options.health_replacement:
        return ""
    is_allowed = desired.strategy in {Strategy.NEW_CLUSTER, Strategy.INCREMENTAL}
    if not is_allowed or not seen.was_ready or _is_too_soon(active, desired, now):
        return ""
    return _silent_dashboard(seen, active, desired, now) or _failing_application(
        seen, active, desired, now
    )


def next_look(seen: Observed, now: datetime) -> datetime | None:
    """Return when a clock that runs may reach its threshold."""
    desired = seen.desired
    if not isinstance(desired, Desired) or seen.active is None:
        return None
    if not _is_silent(seen.active) and not _failing(seen, seen.active):
        return None
    thresholds = _thresholds(desired)
    return now + min(thresholds) / LOOKS_PER_THRESHOLD if thresholds else None


def replacement_note(active: ClusterSeen, now: datetime) -> str:
    """Return the annotation of a cluster that replaces an ill one: how many did, and when."""
    count, at = _replacements(active)
    is_recent = at is not None and now - at < FORGOTTEN_AFTER
    return f'{{"count":{count + 1 if is_recent else 1},"time":"{format_time(now)}"}}'


def _silent_dashboard(seen: Observed, active: ClusterSeen, desired: Desired, now: datetime) -> str:
    threshold = desired.dashboard_threshold
    if threshold is None or not _is_silent(active):
        return ""
    status = get_object(seen.status, "activeServiceStatus", "dashboardStatus")
    if not _has_lasted(status, threshold, seen, now):
        return ""
    return f"the dashboard or agent of RayCluster {active.name} has not answered for {threshold}"


def _is_silent(cluster: ClusterSeen) -> bool:
    """Tell whether a head that runs does not answer; one that restarts is given its time."""
    head, observation = cluster.head, cluster.ray.observation
    if head is None or not head.is_running or observation is None:
        return False
    if observation.failure is None:
        return observation.is_agent_silent
    return observation.failure.trouble not in _OUR_FAULT


def _failing_application(
    seen: Observed, active: ClusterSeen, desired: Desired, now: datetime
) -> str:
    threshold = desired.application_threshold
    if threshold is None:
        return ""
    told = get_object(seen.status, "activeServiceStatus", "applicationStatuses")
    for name in _failing(seen, active):
        if _has_lasted(get_object(told, name), threshold, seen, now):
            return f"application {name} of RayCluster {active.name} has failed for {threshold}"
    return ""


def _failing(seen: Observed, cluster: ClusterSeen) -> tuple[str, ...]:
    report = cluster.report
    if report is None:
        return ()
    found = (report.application(n) for n in application_names(assigned_config(cluster, seen)))
    return tuple(a.name for a in found if a is not None and a.status in FAILING)


def _has_lasted(status: JsonObject, threshold: timedelta, seen: Observed, now: datetime) -> bool:
    """Time during which no operator was at work does not count."""
    healthy_at = parse_time(get_text(status, "healthLastUpdateTime"))
    if healthy_at is None:
        return False
    counted_from = max(healthy_at, seen.watched_since) if seen.watched_since else healthy_at
    return now - counted_from >= threshold


def _is_too_soon(active: ClusterSeen, desired: Desired, now: datetime) -> bool:
    """Each replacement within a day doubles the time until the next one may follow."""
    count, at = _replacements(active)
    if at is None or now - at >= FORGOTTEN_AFTER:
        return False
    pause = max(_thresholds(desired), default=LONGEST_PAUSE) * (1 << min(count, 10))
    return now - at < min(pause, LONGEST_PAUSE)


def _thresholds(desired: Desired) -> list[timedelta]:
    both = (desired.dashboard_threshold, desired.application_threshold)
    return [threshold for threshold in both if threshold is not None]


def _replacements(cluster: ClusterSeen) -> tuple[int, datetime | None]:
    try:
        note = decode(cluster.annotations.get(annotations.HEALTH_REPLACEMENTS, ""))
    except ValueError:
        return 0, None
    return get_int(note, "count"), parse_time(get_text(note, "time"))
