"""The final state of a namespace, in a form in which what chance decides does not matter.

Two runs of a scenario come out alike if their `State`s are equal: the same objects with the same
contents, and as many of each.  Left out are times, UIDs, versions, addresses and generated names;
a generated name that stands inside another object (the head's in a status) must belong to one of
the objects that are there.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import unified_diff

import orjson

from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_int,
    get_object,
    get_objects,
    get_text,
    get_texts,
)
from ray_operator.operator.kube import Kube
from ray_operator.operator.resources import (
    CONFIGMAPS,
    INGRESSES,
    JOBS,
    NETWORKPOLICIES,
    PDBS,
    PODS,
    PVCS,
    ROLEBINDINGS,
    ROLES,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    Resource,
)

KINDS = (
    RAYCLUSTERS,
    RAYSERVICES,
    PODS,
    SERVICES,
    SERVICEACCOUNTS,
    ROLES,
    ROLEBINDINGS,
    PDBS,
    SECRETS,
    CONFIGMAPS,
    PVCS,
    JOBS,
    INGRESSES,
    NETWORKPOLICIES,
)
"""Everything that the operator makes or might make; events and EndpointSlices are no promise."""

_CHANCE = frozenset(
    {
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "generateName",
        "lastUpdateTime",
        "lastTransitionTime",
        "startTime",
        "startedAt",
    }
)
_SECRET = "data"  # noqa: S105 - the field's name
_ADDRESS = re.compile(r"\b10\.\d{1,3}\.\d{1,3}\.\d{1,3}\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_UID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
"""Inside an annotation's text."""


@dataclass(frozen=True, slots=True)
class State:
    """How often each object, as text without what chance decides, is there; and the orphans."""

    objects: Mapping[str, int]
    orphans: tuple[str, ...] = ()
    ending: tuple[str, ...] = ()
    """Objects that are being deleted: the end has not come yet."""

    def only(self, *resources: Resource) -> "State":
        """Return what there is of some kinds."""
        starts = tuple(f"{resource.kind} " for resource in resources)
        return State({text: n for text, n in self.objects.items() if text.startswith(starts)})

    def differences(self, other: "State") -> str:
        """Say in what `other` differs, for a person; "" if in nothing."""
        lines = [f"orphan: {each}" for each in other.orphans]
        lines += [f"still ending: {each}" for each in other.ending]
        missing = _by_title(Counter(self.objects) - Counter(other.objects))
        surplus = _by_title(Counter(other.objects) - Counter(self.objects))
        for title in sorted({*missing, *surplus}):
            wanted, found = missing.get(title, []), surplus.get(title, [])
            for before, after in zip(wanted, found, strict=False):
                diff = unified_diff(before, after, f"{title}, wanted", "found", lineterm="", n=2)
                lines += diff
            lines += [f"missing: {title}"] * (len(wanted) - len(found))
            lines += [f"too many: {title}"] * (len(found) - len(wanted))
        return "\n".join(lines)


def _by_title(counted: Counter[str]) -> dict[str, list[list[str]]]:
    """Return the lines of each object by its title, which is its first line."""
    found: dict[str, list[list[str]]] = {}
    for text in sorted(counted.elements()):
        title, *lines = text.splitlines()
        found.setdefault(title, []).append(lines)
    return found


@dataclass
class _Reading:
    """The objects of one namespace, as they are."""

    namespace: str
    objects: list[tuple[Resource, JsonObject]] = field(default_factory=list)

    def state(self) -> State:
        names = self._generated_names()
        uids = {_uid(document) for _, document in self.objects}
        texts = Counter(
            self._text(resource, document, names)
            for resource, document in self.objects
            if not _is_ending(document)
        )
        return State(
            objects=dict(texts),
            orphans=tuple(
                f"{resource.kind} {_name(document)}"
                for resource, document in self.objects
                if any(uid not in uids for uid in _owners(document))
            ),
            ending=tuple(
                f"{resource.kind} {_name(document)}"
                for resource, document in self.objects
                if _is_ending(document)
            ),
        )

    def _generated_names(self) -> dict[str, str]:
        """Return what stands for each generated name: of pods, clusters of RayServices, ports."""
        found = {}
        for resource, document in self.objects:
            if resource == PODS:
                group = get_texts(get_object(document, "metadata"), "labels").get("ray.io/group")
                found[_name(document)] = f"<pod of {group}>"
            elif resource == RAYCLUSTERS and _owners(document):
                found[_name(document)] = "<cluster>"
            elif resource == SERVICES:
                found |= _node_ports(document)
        return found

    def _text(self, resource: Resource, document: JsonObject, names: Mapping[str, str]) -> str:
        kept = {key: value for key, value in document.items() if key not in {"kind", "apiVersion"}}
        if resource == SECRETS:
            kept[_SECRET] = sorted(get_object(kept, _SECRET))
        if resource == PODS:
            kept["status"] = get_text(get_object(kept, "status"), "phase")
        pretty = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
        body = orjson.dumps(_without_chance(kept), option=pretty).decode()
        text = f"{resource.kind} {_name(document)}\n{body}"
        # Longer names first: one may begin with another.
        for name in sorted(names, key=len, reverse=True):
            text = text.replace(name, names[name])
        text = text.replace(self.namespace, "<namespace>")
        text = _UID.sub("<uid>", text)
        return _TIME.sub("<time>", _ADDRESS.sub("<address>", text))


def state_of(namespace: str, objects: Iterable[tuple[Resource, JsonObject]]) -> State:
    """Return the state of what was read already."""
    return _Reading(namespace, list(objects)).state()


async def read_state(kube: Kube, namespace: str) -> State:
    """Read what is there, past every cache."""
    reading = _Reading(namespace)
    for resource in KINDS:
        async for document in _all(kube, resource, namespace):
            if not _belongs_to_kubernetes(resource, document):
                reading.objects.append((resource, document))
    return reading.state()


async def _all(kube: Kube, resource: Resource, namespace: str) -> AsyncIterator[JsonObject]:
    async for page in kube.list_pages(resource, namespace=namespace):
        for item in page.items:
            yield item


def _belongs_to_kubernetes(resource: Resource, document: JsonObject) -> bool:
    made = (SERVICEACCOUNTS, "default"), (CONFIGMAPS, "kube-root-ca.crt")
    return (resource, _name(document)) in made


def _without_chance(value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return {key: _without_chance(v) for key, v in value.items() if key not in _CHANCE}
    if isinstance(value, list):
        return [_without_chance(item) for item in _in_order(value)]
    return value


def _in_order(items: Iterable[JsonValue]) -> list[JsonValue]:
    """Sort conditions by type: their order is chance, too."""
    found = list(items)
    types = [
        str(item["type"])
        for item in found
        if isinstance(item, Mapping) and {"type", "status"} <= item.keys()
    ]
    if len(types) != len(found):
        return found
    return [item for _, item in sorted(zip(types, found, strict=True), key=lambda pair: pair[0])]


def _node_ports(service: JsonObject) -> dict[str, str]:
    """Return what stands for the ports that the API server chose on the nodes."""
    ports = get_objects(get_object(service, "spec"), "ports")
    chosen = {get_int(port, "nodePort"): get_text(port, "name") for port in ports}
    return {str(port): f"<node port {name}>" for port, name in chosen.items() if port}


def _name(document: JsonObject) -> str:
    return get_text(get_object(document, "metadata"), "name")


def _uid(document: JsonObject) -> str:
    return get_text(get_object(document, "metadata"), "uid")


def _owners(document: JsonObject) -> list[str]:
    references = get_objects(get_object(document, "metadata"), "ownerReferences")
    return [get_text(reference, "uid") for reference in references]


def _is_ending(document: JsonObject) -> bool:
    return "deletionTimestamp" in get_object(document, "metadata")
