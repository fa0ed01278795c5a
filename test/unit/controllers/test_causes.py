"""Why pods do not run, in words (acceptance R-08)."""

import pytest

from ray_operator.controllers.causes import Cause, pod_cause, summarize
from ray_operator.controllers.views.pod import PodView
from ray_operator.operator.documents import JsonObject
from support.builders import a_pod


def waiting(reason: str, message: str = "", restarts: int = 0, last: int = 0) -> JsonObject:
    return {
        "name": "ray",
        "image": "rayproject/ray:typo",
        "restartCount": restarts,
        "state": {"waiting": {"reason": reason, "message": message}},
        "lastState": {"terminated": {"exitCode": last}} if last else {},
    }


def pending(*containers: JsonObject, **changes: object) -> PodView:
    return a_pod("p", phase="Pending", ready=False, containers=containers, **changes)  # type: ignore[arg-type]


def unscheduled(message: str) -> PodView:
    condition: JsonObject = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }
    return pending(node="", conditions=[condition])


KILLED: JsonObject = {
    "name": "ray",
    "restartCount": 1,
    "state": {"running": {}},
    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
}
CRASHED: JsonObject = {
    "name": "ray",
    "restartCount": 5,
    "state": {"running": {}},
    "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
}
INIT: JsonObject = {
    "name": "setup",
    "restartCount": 3,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 2}},
}

FAULTS: dict[str, tuple[PodView, str | None]] = {
    "ready": (a_pod("p"), None),
    "coming up": (pending(waiting("ContainerCreating")), None),
    "terminating": (a_pod("p", ready=False, terminating=True, reason="Evicted"), None),
    "bad image, first try": (
        pending(waiting("ErrImagePull")),
        "ImagePullBackOff: rayproject/ray:typo",
    ),
    "bad image, waiting": (
        pending(waiting("ImagePullBackOff")),
        "ImagePullBackOff: rayproject/ray:typo",
    ),
    "no image name at all": (
        pending(waiting("InvalidImageName")),
        "InvalidImageName: rayproject/ray:typo",
    ),
    "missing ConfigMap": (
        pending(waiting("CreateContainerConfigError", 'configmap "x" not found')),
        'CreateContainerConfigError: configmap "x" not found',
    ),
    "init container crashes": (
        pending(init_containers=[INIT]),
        "InitContainerFailing: setup exits with 2",
    ),
    "out of memory, running again": (
        a_pod("p", ready=False, containers=[KILLED]),
        "OOMKilled: ray",
    ),
    "crash loop": (
        pending(waiting("CrashLoopBackOff", last=1)),
        "CrashLoopBackOff: ray exits with 1",
    ),
    "crash loop, running for a moment": (
        a_pod("p", ready=False, containers=[CRASHED]),
        "CrashLoopBackOff: ray exits with 1",
    ),
    "no GPU": (
        unscheduled("0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),
        "Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
    ),
    "unbound volume": (
        unscheduled("pod has unbound immediate PersistentVolumeClaims"),
        "Unschedulable: pod has unbound immediate PersistentVolumeClaims",
    ),
    "evicted": (
        a_pod("p", phase="Failed", ready=False, reason="Evicted", message="low on memory"),
        "Evicted: low on memory",
    ),
    "lost node": (
        a_pod("p", phase="Unknown", ready=False, reason="NodeLost", node="n7"),
        "NodeLost: n7",
    ),
}


@pytest.mark.parametrize(("pod", "want"), FAULTS.values(), ids=FAULTS.keys())
def test_the_cause_of_a_pods_trouble(pod: PodView, want: str | None) -> None:
    cause = pod_cause(pod)
    assert (str(cause) if cause else None) == want


def test_the_three_most_frequent_causes_are_told_with_their_counts() -> None:
    causes = [Cause("A", "x")] * 2 + [Cause("B")] * 3 + [Cause("C"), Cause("D")]
    assert summarize(causes) == "3x B; 2x A: x; 1x C"
    assert summarize([]) == ""
