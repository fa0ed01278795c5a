"""Rules about the head group and the worker groups of a RayClusterSpec."""

from ray_operator.api import labels as label_keys
from ray_operator.api.problems import Problem, Problems
from ray_operator.api.raycluster_facts import ClusterFacts, GroupFacts
from ray_operator.api.syntax import dns_1123_fault, label_key_fault, label_value_fault
from ray_operator.api.values import describe, get_int_or_none
from ray_operator.api.versions import is_at_least
from ray_operator.operator.documents import get_int, get_object

PRIORITY_SINCE = "2.56.0"
"""The release whose autoscaler reads the priority of groups."""
_RESOURCE_PARAMS = ("num-cpus", "num-gpus", "memory", "resources")


def find_head_problems(cluster: ClusterFacts) -> Problems:
    """Check the head group."""
    yield from _find_container_problem(cluster.head)
    yield from _find_logical_problems(cluster.head)


def find_worker_problems(cluster: ClusterFacts) -> Problems:
    """Check each worker group in turn."""
    for group in cluster.workers:
        yield from _find_container_problem(group)
        yield from _find_bound_problems(cluster, group)
        yield from _find_logical_problems(group)
        yield from _find_name_problems(cluster, group)
        yield from _find_idle_problems(cluster, group)
        yield from _find_priority_problems(cluster, group)


def _find_container_problem(group: GroupFacts) -> Problems:
    if not group.containers:
        yield Problem(
            f"{group.pod_path}.containers",
            "expected at least one container, the first one to run Ray, found none",
        )


def _find_logical_problems(group: GroupFacts) -> Problems:
    faults = [*_resource_faults(group), *_label_faults(group)]
    if faults:
        yield Problem(group.path, "; ".join(faults))


def _resource_faults(group: GroupFacts) -> list[str]:
    if not get_object(group.group, "resources"):
        return []
    params = group.start_params
    doubled = [key for key in _RESOURCE_PARAMS if params.get(key)]
    return [
        f"resources replaces rayStartParams {key}, so expected only one of the two, found both"
        for key in doubled
    ]


def _label_faults(group: GroupFacts) -> list[str]:
    faults = []
    if "labels" in group.start_params:
        faults.append("expected node labels in the field labels, found them in rayStartParams")
    for key, value in get_object(group.group, "labels").items():
        key_fault = label_key_fault(key)
        value_fault = label_value_fault(value if isinstance(value, str) else str(value))
        faults += [f"labels key {key!r}: {key_fault}"] if key_fault else []
        faults += [f"labels value of {key!r}: {value_fault}"] if value_fault else []
    return faults


def _find_bound_problems(cluster: ClusterFacts, group: GroupFacts) -> Problems:
    low = get_int_or_none(group.group, "minReplicas")
    high = get_int_or_none(group.group, "maxReplicas")
    if not cluster.is_autoscaled and (low is None or high is None):
        missing = "minReplicas" if low is None else "maxReplicas"
        yield Problem(f"{group.path}.{missing}", "expected a number, found nothing")
    for name, value in (("minReplicas", low), ("maxReplicas", high)):
        if value is not None and value < 0:
            yield Problem(f"{group.path}.{name}", f"expected 0 or more, found {value}")
    if low is not None and high is not None and low > high:
        yield Problem(
            f"{group.path}.minReplicas",
            f"expected at most maxReplicas ({high}), found {low}",
        )


def _find_name_problems(cluster: ClusterFacts, group: GroupFacts) -> Problems:
    field = f"{group.path}.groupName"
    if not group.name:
        yield Problem(field, f"expected a name, found {describe(group.group.get('groupName'))}")
    if group.name == label_keys.HEAD_GROUP:
        yield Problem(field, "expected another name: headgroup is the head's own group")
    fault = label_value_fault(group.name)
    if fault:
        yield Problem(field, f"{fault}, found {group.name!r}")
    if "networkPolicy" in cluster.spec:
        yield from find_policy_name_problems(group)


def find_policy_name_problems(group: GroupFacts) -> Problems:
    """Check that a group's name can be part of a NetworkPolicy's."""
    fault = dns_1123_fault(group.name)
    if fault:
        yield Problem(
            f"{group.path}.groupName",
            f"{fault} (it becomes part of a NetworkPolicy's name), found {group.name!r}",
        )


def _find_idle_problems(cluster: ClusterFacts, group: GroupFacts) -> Problems:
    seconds = get_int_or_none(group.group, "idleTimeoutSeconds")
    if seconds is None:
        return
    field = f"{group.path}.idleTimeoutSeconds"
    if seconds < 0:
        yield Problem(field, f"expected 0 or more seconds, found {seconds}")
    if not cluster.has_autoscaler_v2:
        yield Problem(
            field,
            "expected the autoscaler v2 (autoscalerOptions.version: v2, or a rayVersion from 2.47 "
            "on): the first one has no time-out a group",
        )


def _find_priority_problems(cluster: ClusterFacts, group: GroupFacts) -> Problems:
    if not get_int(group.group, "priority"):
        return
    field = f"{group.path}.priority"
    if not is_at_least(cluster.ray_version, PRIORITY_SINCE):
        yield Problem(
            field,
            f"expected a rayVersion of at least {PRIORITY_SINCE} for a priority, "
            f"found {describe(cluster.ray_version or None)}",
        )
    if not cluster.has_autoscaler_v2:
        yield Problem(field, "expected the autoscaler v2: the first one has no priorities")
