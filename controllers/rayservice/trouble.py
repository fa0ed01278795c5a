"""What is wrong, in the words of the manifest: the field to look at, what was found, why it fails.

The texts stand in conditions and events.  They hold still while the trouble does: nothing in them
counts attempts or seconds.
"""

import re
from collections import Counter
from collections.abc import Iterator

from ray_operator.api import conditions
from ray_operator.api.conditions import find_condition
from ray_operator.api.serve_config import applications_of
from ray_operator.controllers.causes import Cause, pod_cause
from ray_operator.controllers.dashboard.reports import (
    DEPLOY_FAILED,
    UNHEALTHY,
    ApplicationReport,
)
from ray_operator.controllers.rayservice.desired import Desired
from ray_operator.controllers.rayservice.observed import ClusterSeen
from ray_operator.controllers.views.pod import PodView
from ray_operator.operator.documents import JsonObject, get_object, get_objects, get_text

CLUSTER_FIELD = "spec.rayClusterConfig"
FAILING = frozenset({DEPLOY_FAILED, UNHEALTHY})
_IMAGE_WORDS = {
    "ImagePullBackOff": "the image cannot be pulled: it does not exist, or needs credentials",
    "InvalidImageName": "this is not the name of an image",
}
_LONGEST_TEXT = 500
"""Ray's messages hold whole tracebacks; an event's note holds 1,024 characters."""
_TOP = 3
_IN_TRACEBACK = re.compile(r'Traceback \(|\s+File ".*", line \d+')
_ENVIRONMENT = re.compile(r"\ARuntime env setup|RuntimeEnvSetupError|Failed to set up runtime_env")
"""How Ray begins when the files or packages of an application could not be had."""
_REFUSED_PLACE = re.compile(r"^applications(?:\.\w+)+$", re.MULTILINE)
_NUMBER = re.compile(r"\.(\d+)")
_NOT_IMPORTABLE = ("ModuleNotFoundError", "ImportError", "AttributeError")
"""Exceptions of Python for an import path that leads nowhere."""


def cluster_troubles(cluster: ClusterSeen) -> tuple[str, ...]:
    """Say what keeps a cluster's pods from running, most frequent first."""
    texts = [*_refusals(cluster), *_pod_troubles(cluster)]
    counted = Counter(texts).most_common(_TOP)
    return tuple(f"{count}x {text}" if count > 1 else text for text, count in counted)


def application_troubles(cluster: ClusterSeen, desired: object) -> tuple[str, ...]:
    """Say which applications fail, and which field of the spec is to blame."""
    report = cluster.report
    if report is None:
        return ()
    failing = [a for a in report.applications if a.status in FAILING]
    return tuple(f"{_field_of(a, desired)}: {_describe(a)}" for a in failing)


def plain(message: str) -> str:
    """Return what Ray's message says in one line.

    Of a traceback that is the exception, its last line that is not indented: the rest names files
    of Ray and numbers of processes, which differ with each attempt.
    """
    lines = [line.rstrip() for line in message.splitlines() if line.strip()]
    outer = [line for line in lines if not line.startswith((" ", "^"))]
    is_traceback = any(_IN_TRACEBACK.match(line) for line in lines)
    said = outer[-1] if is_traceback and outer else " ".join(line.strip() for line in lines)
    return said if len(said) <= _LONGEST_TEXT else f"{said[:_LONGEST_TEXT]} …"


def refusal(field: str, text: str) -> str:
    """Say which field of the config Ray refuses, and its words; `field` is the config's own."""
    found = _REFUSED_PLACE.search(text)
    place = _NUMBER.sub(r"[\1]", found[0]) if found else ""
    return f"{field}{'.' if place else ''}{place}: Ray refuses it: {plain(text)}"


def _refusals(cluster: ClusterSeen) -> Iterator[str]:
    """What the API server or the RayCluster controller says against the cluster."""
    refused = find_condition(cluster.conditions, conditions.REPLICA_FAILURE)
    if refused is not None and refused.is_true:
        yield f"{refused.reason}: {plain(refused.message.partition(chr(10))[2] or refused.message)}"
    valid = find_condition(cluster.conditions, conditions.SPEC_VALID)
    if valid is not None and valid.status == conditions.FALSE:
        yield valid.message


def _pod_troubles(cluster: ClusterSeen) -> Iterator[str]:
    for pod in cluster.live_pods:
        cause = pod_cause(pod)
        if cause is not None:
            yield _pod_text(cluster, pod, cause)


def _pod_text(cluster: ClusterSeen, pod: PodView, cause: Cause) -> str:
    group, template = _template_of(cluster, pod)
    place = f"{group}.template.spec{_container_place(template, cause.container)}"
    words = _IMAGE_WORDS.get(cause.reason)
    if words is not None:
        return f'{place}.image "{cause.detail}": {cause.reason}: {words}'
    return f"{place}: {cause}"


def _template_of(cluster: ClusterSeen, pod: PodView) -> tuple[str, JsonObject]:
    if pod.is_head:
        return f"{CLUSTER_FIELD}.headGroupSpec", cluster.cluster.head.template
    for index, group in enumerate(cluster.cluster.workers):
        if group.name == pod.group:
            return f"{CLUSTER_FIELD}.workerGroupSpecs[{index}]", group.template
    return f"{CLUSTER_FIELD}.workerGroupSpecs", {}


def _container_place(template: JsonObject, name: str) -> str:
    """Return where in the template a container stands.

    Those that we add to a pod run the Ray container's image: it is the one to blame.
    """
    if not name:
        return ""
    spec = get_object(template, "spec")
    for key in ("containers", "initContainers"):
        for index, container in enumerate(get_objects(spec, key)):
            if get_text(container, "name") == name:
                return f".{key}[{index}]"
    return ".containers[0]"


def _field_of(application: ApplicationReport, desired: object) -> str:
    if not isinstance(desired, Desired):
        return f"application {application.name}"
    if desired.is_legacy:
        return f"{desired.serve_field}.importPath"
    names = tuple(applications_of(desired.serve_config or {}))
    if application.name not in names:
        return desired.serve_field
    place = f"{desired.serve_field}.applications[{names.index(application.name)}]"
    if plain(application.message).startswith(_NOT_IMPORTABLE):
        return f"{place}.import_path"
    is_environment = _ENVIRONMENT.search(application.message)
    return f"{place}.runtime_env" if is_environment else place


def _describe(application: ApplicationReport) -> str:
    said = plain(application.message)
    failing = [d for d in application.deployments if d.status in FAILING]
    details = [f"deployment {d.name}: {d.status}: {plain(d.message)}" for d in failing]
    told = "; ".join(text for text in (said, *details[:_TOP]) if text)
    return f"application {application.name}: {application.status}: {told or 'Ray says no more'}"
