"""Hashes that decide whether something must be replaced, and so must not change by accident.

Each value is `v1:` and the first 32 hexadecimal
digits of a SHA-256.  The prefix is the version of the function: a stored value with another one, or
made by the peer, can't be compared (`is_comparable`) and is to be written anew, never acted on.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from ray_operator.api.quantities import exact_text
from ray_operator.api.values import as_items, as_object, as_text, get_entries
from ray_operator.operator.documents import JsonObject, JsonValue, canonical

PREFIX: Final = "v1:"
_DIGITS = 32
"""128 bits: no two specs of one service will ever collide."""

_NOT_ABOUT_PODS = frozenset({"suspend", "managedBy", "upgradeStrategy"})
_SCALING = frozenset({"replicas", "minReplicas", "maxReplicas"})
_SCHEDULING = frozenset({"tolerations", "schedulingGates"})
"""Written into templates by Kueue when it admits a job; they must not cause an upgrade."""
_FALSE_IS_ABSENT = frozenset(
    {
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "stdin",
        "stdinOnce",
        "tty",
        "readOnly",
        "enableInTreeAutoscaling",
        "enableIngress",
        "suspend",
        "enabled",
    },
)
_QUANTITY_MAPS = frozenset({"limits", "requests"})
_QUANTITIES = frozenset({"sizeLimit", "size"})
_POD_PARTS = ("template", "rayStartParams", "resources", "labels")
_CLUSTER_PARTS = ("rayVersion", "authOptions", "tlsOptions", "gcsFaultToleranceOptions")
_HEAD_PARTS = ("autoscalerOptions", "enableInTreeAutoscaling")


def spec_hash(spec: JsonObject, groups: int | None = None) -> str:
    """Hash what makes one cluster differ from another, without what scales or schedules it.

    Args:
        spec: a RayClusterSpec.
        groups: look at that many worker groups only, from the first; `None` at all.  A cluster to
            which groups were appended has the hash of its first ones still.
    """
    return _hash(canonical_form(_identity(spec, groups)))


def head_pod_hash(spec: JsonObject) -> str:
    """Hash what the head pod of a RayClusterSpec is made from."""
    head = as_object(spec.get("headGroupSpec"))
    return _hash(canonical_form(_pod_parts(spec, head) | _pick(spec, _HEAD_PARTS)))


def worker_pod_hash(spec: JsonObject, group: JsonObject) -> str:
    """Hash what the pods of a worker group, an entry of the spec's, are made from."""
    return _hash(canonical_form(_pod_parts(spec, group)))


def serve_config_hash(config: JsonObject) -> str:
    """Hash a normalised Serve config; `target_capacity` is the operator's own and doesn't count."""
    return _hash({key: value for key, value in config.items() if key != "target_capacity"})


def is_comparable(stored: str) -> bool:
    """Tell whether a stored hash was made by these functions."""
    return stored.startswith(PREFIX)


def canonical_form(value: JsonObject) -> JsonObject:
    """Bring a piece of a spec into the form in which equal meaning is equal text.

    Empty members are dropped, and false ones where false is the same as absent; quantities become
    plain decimals, values of `rayStartParams` text.  Items of lists stay, even empty ones.
    """
    cleaned = {key: _clean(key, member) for key, member in value.items()}
    return {key: member for key, member in cleaned.items() if not _is_absent(key, member)}


def _clean(key: str, value: JsonValue) -> JsonValue:
    if key == "rayStartParams":
        texts = {name: as_text(text) for name, text in as_object(value).items()}
        return {name: text for name, text in texts.items() if text}
    if key in _QUANTITY_MAPS and isinstance(value, Mapping):
        amounts = {name: _exact(amount) for name, amount in value.items()}
        return {name: amount for name, amount in amounts.items() if not _is_absent(name, amount)}
    if key in _QUANTITIES and not isinstance(value, Mapping):
        return _exact(value)
    return _clean_value(value)


def _clean_value(value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return canonical_form(value)
    if isinstance(value, str):
        return value
    items = as_items(value)
    return [_clean_value(item) for item in items] if items else value


def _is_absent(key: str, value: JsonValue) -> bool:
    if value is False:
        return key in _FALSE_IS_ABSENT
    return value is None or (not isinstance(value, bool | int | float) and not value)


def _exact(value: JsonValue) -> JsonValue:
    text = exact_text(value)
    return _clean_value(value) if text is None else text


def _identity(spec: JsonObject, groups: int | None) -> JsonObject:
    kept: dict[str, JsonValue] = {k: v for k, v in spec.items() if k not in _NOT_ABOUT_PODS}
    if "headGroupSpec" in kept:
        kept["headGroupSpec"] = _without_scheduling(as_object(kept["headGroupSpec"]))
    if "workerGroupSpecs" in kept:
        workers = get_entries(kept, "workerGroupSpecs")[:groups]
        kept["workerGroupSpecs"] = [_worker_identity(group) for group in workers]
    return kept


def _worker_identity(group: JsonObject) -> JsonObject:
    kept: dict[str, JsonValue] = {k: v for k, v in group.items() if k not in _SCALING}
    if "scaleStrategy" in kept:
        kept["scaleStrategy"] = _without(as_object(kept["scaleStrategy"]), {"workersToDelete"})
    return _without_scheduling(kept)


def _without_scheduling(group: JsonObject) -> JsonObject:
    template = as_object(group.get("template"))
    if "spec" not in template:
        return group
    spec = _without(as_object(template["spec"]), _SCHEDULING)
    return {**group, "template": {**template, "spec": spec}}


def _pod_parts(spec: JsonObject, group: JsonObject) -> dict[str, JsonValue]:
    return _pick(_without_scheduling(group), _POD_PARTS) | _pick(spec, _CLUSTER_PARTS)


def _pick(document: JsonObject, keys: tuple[str, ...]) -> dict[str, JsonValue]:
    return {key: document[key] for key in keys if key in document}


def _without(document: JsonObject, keys: frozenset[str] | set[str]) -> JsonObject:
    return {key: value for key, value in document.items() if key not in keys}


def _hash(value: JsonValue) -> str:
    return PREFIX + hashlib.sha256(canonical(value)).hexdigest()[:_DIGITS]
