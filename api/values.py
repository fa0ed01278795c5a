"""JSON values as users write them: read with their positions kept, and put into words.

What any document has in common is read by the getters of `ray_operator.operator.documents`.
"""

from collections.abc import Mapping, Sequence

from ray_operator.operator.documents import JsonObject, JsonValue, get_items


def as_object(value: JsonValue) -> JsonObject:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_items(value: JsonValue) -> Sequence[JsonValue]:
    """Return the value if it is an array, else an empty one."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def get_entries(document: JsonObject, key: str) -> tuple[JsonObject, ...]:
    """Return the objects of the array `key`; an item that is no object counts as empty.

    So positions stay what they are in the manifest, for paths in messages.
    """
    return tuple(as_object(item) for item in get_items(document, key))


def get_int_or_none(document: JsonObject, key: str) -> int | None:
    """Return the integer `key`; `None` if it is absent or of another type, which 0 is not."""
    value = document.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


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
