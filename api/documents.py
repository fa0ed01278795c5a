"""JSON as manifests hold it: types, and getters that never fail.

A twin of the getters in `ray_operator.operator.documents`, which this package may not import; the
types are equal, so documents pass from one to the other.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

JsonValue: TypeAlias = (
    "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)
"""Any JSON value.  Arrays and objects are read-only in type: what is handed in is never changed."""

JsonObject: TypeAlias = Mapping[str, JsonValue]


def as_object(value: JsonValue) -> JsonObject:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_items(value: JsonValue) -> Sequence[JsonValue]:
    """Return the value if it is an array, else an empty one."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def as_objects(value: JsonValue) -> tuple[JsonObject, ...]:
    """Return the value's objects if it is an array; an item that is no object counts as empty.

    So positions stay what they are in the manifest.
    """
    return tuple(as_object(item) for item in as_items(value))


def get_object(document: JsonObject, *path: str) -> JsonObject:
    """Return the object at `path`; empty if it is absent or of another type."""
    found: JsonObject = document
    for name in path:
        found = as_object(found.get(name))
    return found


def get_objects(document: JsonObject, key: str) -> tuple[JsonObject, ...]:
    """Return the objects of the array `key`."""
    return as_objects(document.get(key))


def get_text(document: JsonObject, key: str) -> str:
    """Return the string `key`; empty if it is absent or of another type."""
    value = document.get(key)
    return value if isinstance(value, str) else ""


def get_int(document: JsonObject, key: str) -> int | None:
    """Return the integer `key`; `None` if it is absent or of another type."""
    value = document.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def get_flag(document: JsonObject, key: str) -> bool:
    """Return whether the boolean `key` is true."""
    return document.get(key) is True


def as_text(value: JsonValue) -> str:
    """Write a value of `rayStartParams` as text: `true`, `false`, or the shortest decimal."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case None:
            return ""
        case _:
            return str(value)


_LONGEST_QUOTE = 60
"""Characters of a value that are quoted in a message; enough to recognise it."""


def describe(value: JsonValue) -> str:
    """Say in a few words what a value is, for messages: `the text 'abc'`, `a list`, `nothing`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            cut = value if len(value) <= _LONGEST_QUOTE else value[:_LONGEST_QUOTE] + "…"
            return f"the text {cut!r}"
        case Mapping():
            return "an object"
        case _:
            return "a list"
