"""Environment variables of a container as values: made, looked up, merged."""

from collections.abc import Iterable
from typing import TypeAlias

from ray_operator.operator.documents import JsonObject, get_objects, get_text

Env: TypeAlias = tuple[JsonObject, ...]
"""The entries of `env`, in order: a later one may refer to an earlier one as `$(NAME)`."""


def literal(name: str, value: str) -> JsonObject:
    """Return a variable with that value."""
    return {"name": name, "value": value}


def from_field(name: str, path: str) -> JsonObject:
    """Return a variable that holds a field of its pod (downward API)."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def from_label(name: str, label: str) -> JsonObject:
    """Return a variable that holds a label of its pod."""
    return from_field(name, f"metadata.labels['{label}']")


def from_secret(name: str, secret: str, key: str) -> JsonObject:
    """Return a variable that holds one key of a Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def own_env(container: JsonObject) -> Env:
    """Return what the user gave a container."""
    return get_objects(container, "env")


def has_variable(env: Iterable[JsonObject], name: str) -> bool:
    """Tell whether there is a variable of that name."""
    return any(get_text(entry, "name") == name for entry in env)


def with_defaults(env: Env, extra: Iterable[JsonObject]) -> Env:
    """Append the variables whose names are not taken."""
    for entry in extra:
        if not has_variable(env, get_text(entry, "name")):
            env = (*env, entry)
    return env


def with_forced(env: Env, extra: Iterable[JsonObject]) -> Env:
    """Put each variable in the place of its namesake, or at the end."""
    for entry in extra:
        name = get_text(entry, "name")
        if has_variable(env, name):
            env = tuple(entry if get_text(old, "name") == name else old for old in env)
        else:
            env = (*env, entry)
    return env
