"""The status of a RayCluster, computed afresh from what was seen and done (raycluster.md 9).

Computable with anything missing: no pods, two heads, no Service, an invalid spec.  Whoever writes
it compares with what stands there; `due` says how soon a difference is worth a write.
"""

from datetime import datetime, timedelta

from ray_operator.api.scaling import MOST_REPLICAS
from ray_operator.api.times import format_time
from ray_operator.controllers.causes import pod_cause, summarize
from ray_operator.controllers.raycluster.conditions import (
    Facts,
    all_pods_ready,
    next_conditions,
)
from ray_operator.controllers.raycluster.observed import Observed, Phase
from ray_operator.controllers.views.service import ServicePort
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_objects,
    get_text,
    get_texts,
    get_time,
)

READY, SUSPENDED = "ready", "suspended"

_PROGRESS_FIELDS = frozenset(
    {"availableWorkerReplicas", "readyWorkerReplicas", "reason", "head", "endpoints"}
)
_PROGRESS_CONDITIONS = frozenset({"HeadPodReady", "WorkersReady", "Ready"})
_SOON = timedelta(seconds=4)
_SOMETIME = timedelta(seconds=8)
"""Pods of one cluster come up within moments of each other.  Writing each step of that would cost
more requests than the pods themselves; causes must show within 10 s (raycluster.md 9.4)."""


def next_status(seen: Observed, facts: Facts, now: datetime) -> JsonObject:
    """Return the fields of the status that are ours; `None` removes one."""
    state = _state(seen, facts)
    conditions = next_conditions(seen, facts, now)
    return {
        "state": state or None,
        "reason": _reason(seen, facts, state) or None,
        "stateTransitionTimes": _transition_times(seen, state, now) or None,
        "observedGeneration": seen.cluster.generation or None,
        "lastUpdateTime": format_time(now),
        **_counters(seen),
        **_totals(seen),
        "endpoints": _endpoints(seen) or None,
        "head": _head(seen),
        "conditions": [condition.as_json() for condition in conditions] or None,
    }


def due(current: JsonObject, desired: JsonObject, now: datetime) -> timedelta:
    """Return after which time the difference is to be written; zero: at once.

    Pods on their way up are told of in steps; whatever is a change of state is told at once.
    """
    last = get_time(current, "lastUpdateTime")
    if last is None or _is_turn(current, desired):
        return timedelta(0)
    head_came = _head_word(current) != _head_word(desired)
    return max(last + (_SOON if head_came else _SOMETIME) - now, timedelta(0))


def _is_turn(current: JsonObject, desired: JsonObject) -> bool:
    ignored = _PROGRESS_FIELDS | {"lastUpdateTime", "conditions", "stateTransitionTimes"}
    for key, value in desired.items():
        if key not in ignored and value != current.get(key):
            return True
    return _turning_words(current) != _turning_words(desired) or _has_fallen(current, desired)


def _turning_words(status: JsonObject) -> set[tuple[str, str, str]]:
    """Return the conditions whose every change counts."""
    return {
        (get_text(c, "type"), get_text(c, "status"), get_text(c, "message"))
        for c in get_objects(status, "conditions")
        if get_text(c, "type") not in _PROGRESS_CONDITIONS
    }


def _has_fallen(current: JsonObject, desired: JsonObject) -> bool:
    """Tell whether something that was well is not so any more: users act on that."""
    return bool(_true_progress(current) - _true_progress(desired)) or (
        get_text(desired, "state") == READY != get_text(current, "state")
    )


def _true_progress(status: JsonObject) -> set[str]:
    return {
        get_text(c, "type")
        for c in get_objects(status, "conditions")
        if get_text(c, "status") == "True" and get_text(c, "type") in _PROGRESS_CONDITIONS
    }


def _head_word(status: JsonObject) -> tuple[str, ...]:
    found = (c for c in get_objects(status, "conditions") if get_text(c, "type") == "HeadPodReady")
    return tuple(get_text(c, "status") for c in found)


def _state(seen: Observed, facts: Facts) -> str:
    before = get_text(seen.status, "state")
    if seen.cluster.wants_suspend and not seen.pods and facts.phase is not Phase.RUNNING:
        return SUSPENDED if facts.phase is Phase.SUSPENDED else before
    if seen.cluster.wants_suspend and not seen.policy.conditions and not seen.pods:
        return SUSPENDED
    if not facts.went_wrong and seen.problem is None and all_pods_ready(seen):
        return READY
    # Stays ready while pods come and go: Kueue evicts what leaves that state.
    return "" if before == SUSPENDED and facts.phase is Phase.RUNNING else before


def _reason(seen: Observed, facts: Facts, state: str) -> str:
    if seen.problem is not None:
        return str(seen.problem)
    if facts.failures:
        return facts.failures[0].message
    if facts.obstacle:
        return facts.obstacle
    if state == READY and all_pods_ready(seen):
        return ""
    if facts.phase is not Phase.RUNNING:
        return ""
    return summarize(cause for pod in seen.pods if (cause := pod_cause(pod)) is not None)


def _transition_times(seen: Observed, state: str, now: datetime) -> dict[str, str]:
    times = get_texts(seen.status, "stateTransitionTimes")
    if state and state != get_text(seen.status, "state"):
        times[state] = format_time(now)
    return times


def _counters(seen: Observed) -> dict[str, JsonValue]:
    active = [group for group in seen.cluster.workers if not group.is_suspended]
    running = [pod for pod in seen.workers if pod.is_running]
    counts = {
        "desiredWorkerReplicas": seen.cluster.desired_workers,
        "minWorkerReplicas": sum(group.min_replicas * group.hosts for group in active),
        "maxWorkerReplicas": sum(group.max_replicas * group.hosts for group in active),
        "availableWorkerReplicas": len(running),
        "readyWorkerReplicas": sum(pod.is_ready for pod in running),
    }
    return {name: max(0, min(count, MOST_REPLICAS)) or None for name, count in counts.items()}


def _totals(seen: Observed) -> dict[str, JsonValue]:
    totals = seen.blueprint.totals
    return {
        "desiredCPU": totals.cpu,
        "desiredMemory": totals.memory,
        "desiredGPU": totals.gpu,
        "desiredTPU": totals.tpu,
    }


def _endpoints(seen: Observed) -> dict[str, JsonValue]:
    service = seen.head_service
    if service is None:
        return {}
    return {port.name: _reached_at(port) for port in service.ports if port.name}


def _reached_at(port: ServicePort) -> str:
    return str(port.node_port) if port.node_port else port.target_port or str(port.port)


def _head(seen: Observed) -> JsonObject:
    service, pod = seen.head_service, seen.head
    address = ""
    if service is not None:
        address = (pod.ip if pod else "") if service.is_headless else service.cluster_ip
    fields = {
        "podIP": pod.ip if pod else "",
        "podName": pod.name if pod else "",
        "serviceIP": address,
        "serviceName": service.name if service else "",
    }
    return {name: text for name, text in fields.items() if text}
