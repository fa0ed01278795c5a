"""Which spec each pod was made from: stamps, and the drift that they show (raycluster.md 7, 18).

Pods of the peer, or of another release of ours, carry no stamp that we could compare: they get the
current one and are never replaced for that.
"""

from collections import Counter

from ray_operator.api import annotations, labels
from ray_operator.api.hashes import is_comparable
from ray_operator.controllers.raycluster.actions import Action, AnnotatePod
from ray_operator.controllers.raycluster.decision import Plan
from ray_operator.controllers.raycluster.observed import Observed
from ray_operator.controllers.views.pod import PodView


def plan_stamps(seen: Observed) -> Plan:
    """Decide which pods to stamp, and tell of those that were made from an older spec."""
    actions: list[Action] = []
    for pod in seen.pods:
        told = _missing_stamps(pod, seen)
        if told and not pod.is_terminating:
            actions.append(AnnotatePod(pod, told))
    return Plan(tuple(actions), drift=tuple(_drift(seen)))


def is_outdated(pod: PodView, seen: Observed) -> bool:
    """Tell whether a pod was made from an older version of its group."""
    stamp = pod.annotations.get(annotations.POD_SPEC_HASH, "")
    current = seen.cluster.stamps.pods.get(pod.group)
    return current is not None and is_comparable(stamp) and stamp != current


def has_foreign_head_stamp(head: PodView, seen: Observed) -> bool:
    """Tell whether another operator, or another release of ours, stamped the head."""
    return head.annotations.get(annotations.KUBERAY_VERSION) != seen.policy.build.stamp


def _missing_stamps(pod: PodView, seen: Observed) -> dict[str, str | None]:
    told: dict[str, str | None] = {}
    current = seen.cluster.stamps.pods.get(pod.group)
    if current and not is_comparable(pod.annotations.get(annotations.POD_SPEC_HASH, "")):
        told[annotations.POD_SPEC_HASH] = current
    if pod.is_head and has_foreign_head_stamp(pod, seen):
        told[annotations.KUBERAY_VERSION] = seen.policy.build.stamp
        told[annotations.UPGRADE_STRATEGY_RECREATE_HASH] = seen.cluster.stamps.spec
    return told


def _drift(seen: Observed) -> list[str]:
    live = seen.live_pods
    totals = Counter(pod.group for pod in live)
    outdated = Counter(pod.group for pod in live if is_outdated(pod, seen))
    return [
        "head" if group == labels.HEAD_GROUP else f"{group}: {outdated[group]} of {total} pods"
        for group, total in totals.items()
        if outdated[group]
    ]
