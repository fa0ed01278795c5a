"""Why a pod does not run, in plain words (raycluster.md 9.4).

Momentary states that alternate are named alike (ErrImagePull and ImagePullBackOff; a crashing
container between two attempts), so that a status that quotes them comes to rest.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ray_operator.controllers.views.pod import FAILED, ContainerState, PodView

_IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName"})
_CONFIG_REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
_FAILING_RESTARTS = 3
"""An init container or a crash that was tried so often doesn't mend itself within seconds."""
_LONGEST_DETAIL = 300
"""A scheduler's message on a large cluster goes on for kilobytes."""
TOP_CAUSES = 3


@dataclass(frozen=True, slots=True)
class Cause:
    """Why one pod does not run.

    `reason` is Kubernetes' own word, `detail` what it is about (an image, the scheduler's
    message), `container` the name of the container concerned, if one is.
    """

    reason: str
    detail: str = ""
    container: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


def pod_cause(pod: PodView) -> Cause | None:
    """Return what keeps `pod` from running; `None` if nothing does or nothing is known yet."""
    if pod.is_ready or pod.is_terminating:
        return None
    found = (look(pod) for look in (_eviction, _lost_node, _container_cause, _scheduling, _failure))
    return next((cause for cause in found if cause is not None), None)


def summarize(causes: Iterable[Cause]) -> str:
    """Return the most frequent causes with their counts: `2x Unschedulable: …; 1x Evicted`."""
    counted = Counter(str(cause) for cause in causes)
    ranked = sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))
    return "; ".join(f"{count}x {text}" for text, count in ranked[:TOP_CAUSES])


def _eviction(pod: PodView) -> Cause | None:
    return Cause("Evicted", _cut(pod.message)) if pod.reason == "Evicted" else None


def _lost_node(pod: PodView) -> Cause | None:
    reasons = {pod.reason, pod.ready.reason if pod.ready else ""}
    return Cause("NodeLost", pod.node) if "NodeLost" in reasons else None


def _scheduling(pod: PodView) -> Cause | None:
    if pod.scheduled is None or pod.scheduled.status != "False":
        return None
    return Cause(pod.scheduled.reason or "Unschedulable", _cut(pod.scheduled.message))


def _failure(pod: PodView) -> Cause | None:
    return Cause(pod.reason or "Failed", _cut(pod.message)) if pod.phase == FAILED else None


def _container_cause(pod: PodView) -> Cause | None:
    found = (_waiting(container) or _ended(container) for container in pod.containers)
    return next((cause for cause in found if cause is not None), None)


def _waiting(container: ContainerState) -> Cause | None:
    reason = container.waiting_reason
    if reason in _IMAGE_REASONS:
        named = reason if reason == "InvalidImageName" else "ImagePullBackOff"
        return Cause(named, container.image, container.name)
    if reason in _CONFIG_REASONS:
        return Cause(reason, _cut(container.waiting_message), container.name)
    return None


def _ended(container: ContainerState) -> Cause | None:
    if "OOMKilled" in {container.terminated_reason, container.last_reason}:
        return Cause("OOMKilled", container.name, container.name)
    if container.is_init and _is_failing(container):
        return Cause("InitContainerFailing", _exit_text(container), container.name)
    if container.waiting_reason == "CrashLoopBackOff" or _is_failing(container):
        return Cause("CrashLoopBackOff", _exit_text(container), container.name)
    if container.is_terminated and container.exit_code:
        return Cause(container.terminated_reason or "Error", _exit_text(container), container.name)
    return None


def _is_failing(container: ContainerState) -> bool:
    """Tell whether it failed again and again, whatever it does at this moment."""
    failed = container.exit_code or container.last_exit_code
    return bool(failed) and container.restarts >= _FAILING_RESTARTS


def _exit_text(container: ContainerState) -> str:
    code = container.exit_code or container.last_exit_code
    return f"{container.name} exits with {code}" if code else container.name


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST_DETAIL else f"{flat[:_LONGEST_DETAIL]} …"
