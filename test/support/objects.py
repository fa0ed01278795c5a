"""What tests read from objects, in a word each."""

import re
from collections.abc import Mapping
from datetime import datetime

from ray_operator.operator.documents import (
    JsonObject,
    get_int,
    get_object,
    get_objects,
    get_text,
    get_texts,
    get_time,
)
from support.kubectl import Kubectl
from support.waiting import expect, wait_until

RAY_NODE = "ray.io/is-ray-node=yes"


def name_of(document: JsonObject) -> str:
    """Return the object's name."""
    return get_text(get_object(document, "metadata"), "name")


def uid_of(document: JsonObject) -> str:
    """Return the object's UID: a replacement of the same name has another."""
    return get_text(get_object(document, "metadata"), "uid")


def labels_of(document: JsonObject) -> Mapping[str, str]:
    """Return the object's labels."""
    return get_texts(get_object(document, "metadata"), "labels")


def created(document: JsonObject) -> datetime:
    """Return when the object was made, to the second."""
    time = get_time(get_object(document, "metadata"), "creationTimestamp")
    assert time is not None
    return time


def phase_of(pod: JsonObject) -> str:
    """Return a pod's phase."""
    return get_text(get_object(pod, "status"), "phase")


def is_terminating(document: JsonObject) -> bool:
    """Tell whether the object is on its way out."""
    return bool(get_text(get_object(document, "metadata"), "deletionTimestamp"))


def condition_of(document: JsonObject, type_: str) -> JsonObject:
    """Return a condition; empty if the object has none of that type."""
    conditions = get_objects(get_object(document, "status"), "conditions")
    return next((c for c in conditions if get_text(c, "type") == type_), {})


def is_true(document: JsonObject, type_: str) -> bool:
    """Tell whether a condition is True."""
    return get_text(condition_of(document, type_), "status") == "True"


def in_brief(document: JsonObject) -> str:
    """Return the conditions in a line, for messages."""
    conditions = get_objects(get_object(document, "status"), "conditions")
    words = ("type", "status", "reason", "message")
    return "; ".join(" ".join(get_text(c, word) for word in words) for c in conditions)


def is_observed(document: JsonObject) -> bool:
    """Tell whether the operator has worked on the newest spec."""
    generation = get_int(get_object(document, "metadata"), "generation")
    return get_int(get_object(document, "status"), "observedGeneration") == generation


def active_cluster(service: JsonObject) -> str:
    """Return the name of the RayCluster that serves, "" if none."""
    return get_text(get_object(service, "status", "activeServiceStatus"), "rayClusterName")


def pending_cluster(service: JsonObject) -> str:
    """Return the name of the RayCluster that is being prepared, "" if none."""
    return get_text(get_object(service, "status", "pendingServiceStatus"), "rayClusterName")


def applications(service: JsonObject) -> dict[str, str]:
    """Return the state of each application of the RayCluster that serves."""
    found = get_object(service, "status", "activeServiceStatus", "applicationStatuses")
    return {name: get_text(get_object(found, name), "status") for name in found}


def live_pods(kube: Kubectl, selector: str = RAY_NODE) -> tuple[JsonObject, ...]:
    """Return the pods that a selector picks and that are not on their way out."""
    return tuple(pod for pod in kube.list("pods", selector) if not is_terminating(pod))


def warnings_of(kube: Kubectl, kind: str, name: str) -> tuple[str, ...]:
    """Return the Warning events about an object, each as `reason: message`."""
    about = f"involvedObject.kind={kind},involvedObject.name={name},type=Warning"
    text = kube.run(
        "get",
        "events",
        f"--field-selector={about}",
        "-o",
        r'jsonpath={range .items[*]}{.reason}: {.message}{"\x00"}{end}',
    )
    return tuple(event for event in text.split("\x00") if event)


def wait_for_service(kube: Kubectl, name: str) -> JsonObject:
    """Wait until a RayService is Ready, with nothing of its newest spec still to do."""

    def probe() -> JsonObject:
        service = kube.get("rayservice", name)
        settled = is_observed(service) and not pending_cluster(service)
        expect(settled and is_true(service, "Ready"), in_brief(service))
        return service

    return wait_until(f"RayService {name} is ready", probe)


def wait_for_cluster(kube: Kubectl, name: str) -> JsonObject:
    """Wait until a RayCluster is ready, for its newest spec."""

    def probe() -> JsonObject:
        cluster = kube.get("raycluster", name)
        status = get_object(cluster, "status")
        expect(is_observed(cluster) and get_text(status, "state") == "ready", status)
        return cluster

    return wait_until(f"RayCluster {name} is ready", probe)


def wait_until_gone(kube: Kubectl, kind: str, name: str) -> None:
    """Wait until there is no object of that name."""

    def probe() -> None:
        found = kube.find(kind, name)
        expect(found is None, found and get_object(found, "metadata"))

    wait_until(f"{kind} {name} is gone", probe)


def described(text: str) -> dict[tuple[str, ...], str]:
    """Return what `kubectl describe` printed, by the path of labels that indentation makes.

    So `Phase: Active` below `Status:` is `{("Status", "Phase"): "Active"}`; of a list's items the
    last one stays.
    """
    lines: dict[tuple[str, ...], str] = {}
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        found = re.fullmatch(r"( *)([^ :][^:]*):(?: +(.*))?", line)
        if not found:
            continue
        indent = len(found[1])
        above = [*(outer for outer in above if outer[0] < indent), (indent, found[2])]
        lines[tuple(label for _, label in above)] = found[3] or ""
    return lines
