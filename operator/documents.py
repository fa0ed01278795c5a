"""JSON as the API server speaks it: types, small typed getters, differences.

The getters never raise on what a document lacks or holds in another type: they return the empty
value.  Schemas are the API server's business, and one odd object must not stop a cache.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias, cast

import orjson

JsonValue: TypeAlias = (
    "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)
"""Any JSON value. Arrays and objects are read-only in type, so that nobody changes a cache."""

JsonObject: TypeAlias = Mapping[str, JsonValue]


DEEPEST = 200
"""Levels of nesting that are kept of what orjson refuses: it reads 1,024 and writes 254."""

TOO_DEEP = "(nested too deeply to be read)"
"""Stands for what lay deeper: whoever judges a document can tell of it, and nothing is built on it
in silence."""


def decode(text: bytes | str) -> JsonObject:
    """Parse one JSON object.

    Raises:
        ValueError: the text is no JSON, or not an object.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = orjson.loads(_cut(text))
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")  # noqa: TRY004 - orjson raises ValueError too
    return value


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{\]}]')


def _cut(text: bytes | str) -> bytes:
    """Put `TOO_DEEP` for what lies deeper than `DEEPEST`.

    The API server takes 10,000 levels where a schema is open, orjson 1,024: without this, one such
    object in a list would hide all others.
    """
    whole = text.encode() if isinstance(text, str) else text
    kept, depth, begun = [], 0, 0
    for token in _TOKEN.finditer(whole):
        if token[0] in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(whole[begun : token.start()])
        elif token[0] in b"]}":
            depth -= 1
            if depth == DEEPEST:
                kept.append(orjson.dumps(TOO_DEEP))
                begun = token.end()
    return b"".join((*kept, whole[begun:]))


def shallow(value: JsonValue, levels: int = DEEPEST) -> JsonValue:
    """Return a copy with `TOO_DEEP` for what lies deeper than `levels`."""
    if isinstance(value, str) or not isinstance(value, Mapping | Sequence):
        return value
    if not levels:
        return TOO_DEEP
    if isinstance(value, Mapping):
        return {key: shallow(item, levels - 1) for key, item in value.items()}
    return [shallow(item, levels - 1) for item in value]


def encode(value: JsonValue) -> bytes:
    """Write compact JSON; the order of keys is kept.

    Raises:
        TypeError: it is nested deeper than about 250 levels; see `shallow`.
    """
    return orjson.dumps(value, default=_plain)


def canonical(value: JsonValue) -> bytes:
    """Write compact JSON with sorted keys: equal values give equal bytes (for hashes)."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError


def copy_document(document: JsonObject) -> dict[str, JsonValue]:
    """Return a deep copy whose top level may be changed (an orjson round trip: see the costs)."""
    # What orjson loads from an object is a dict of JSON values.
    return cast("dict[str, JsonValue]", orjson.loads(encode(document)))


# A pass asks these hundreds of times, mostly about what orjson made: to recognise a dict or a list
# costs a tenth of asking for any Mapping or Sequence.  Hence the order of the questions.
_OBJECT = (dict, Mapping)
_ARRAY = (list, tuple, Sequence)


def get_object(document: JsonObject, *path: str) -> JsonObject:
    """Return the object at `path`; empty if it is absent or of another type."""
    value: JsonValue = document
    for name in path:
        if value is None or not isinstance(value, _OBJECT):
            return {}
        value = value.get(name)
    return value if value is not None and isinstance(value, _OBJECT) else {}


def get_objects(document: JsonObject, key: str) -> tuple[JsonObject, ...]:
    """Return the objects of the array `key`; what is no object is left out."""
    return tuple([item for item in get_items(document, key) if isinstance(item, _OBJECT)])


def get_items(document: JsonObject, key: str) -> Sequence[JsonValue]:
    """Return the array `key`; empty if it is absent or of another type."""
    value = document.get(key)
    if value is None or isinstance(value, str):
        return ()
    return value if isinstance(value, _ARRAY) else ()


def get_text(document: JsonObject, key: str, default: str = "") -> str:
    """Return the string `key`."""
    value = document.get(key)
    return value if isinstance(value, str) else default


def get_int(document: JsonObject, key: str, default: int = 0) -> int:
    """Return the integer `key`; a boolean is none."""
    value = document.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def get_flag(document: JsonObject, key: str, *, default: bool = False) -> bool:
    """Return the boolean `key`."""
    value = document.get(key)
    return value if isinstance(value, bool) else default


def get_texts(document: JsonObject, key: str) -> dict[str, str]:
    """Return the map of strings `key` (labels, annotations, selectors)."""
    return {k: v for k, v in get_object(document, key).items() if isinstance(v, str)}


def get_time(document: JsonObject, key: str) -> datetime | None:
    """Return the RFC 3339 time `key` (`metav1.Time`, `metav1.MicroTime`), aware, in UTC."""
    text = get_text(document, key)
    return _time(text) if text else None


@lru_cache(maxsize=1_024)
def _time(text: str) -> datetime | None:
    """Read a time; what happened in one second shares the value: a pod bears six of them."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def format_micro_time(time: datetime) -> str:
    """Write `metav1.MicroTime`: six decimals."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def merge_patch(current: JsonObject, desired: JsonObject) -> dict[str, JsonValue]:
    """Return the JSON merge patch (RFC 7386) that turns `current` into `desired`; {} if equal.

    A key that `desired` lacks is removed.  Arrays are replaced whole, as merge patches do.
    """
    patch: dict[str, JsonValue] = {key: None for key in current if key not in desired}
    for key, wanted in desired.items():
        found = current.get(key)
        if key in current and (_same_text(found, wanted) or _same(found, wanted)):
            continue
        if isinstance(found, Mapping) and isinstance(wanted, Mapping):
            patch[key] = merge_patch(found, wanted)
        else:
            patch[key] = wanted
    return patch


def _same_text(left: JsonValue, right: JsonValue) -> bool:
    """Compare as orjson writes them: equal text is equal meaning, and costs a tenth of `_same`."""
    try:
        return canonical(left) == canonical(right)
    except TypeError:  # too deep to be written
        return False


def _same(left: JsonValue, right: JsonValue) -> bool:
    """Compare by meaning: a tuple equals a list, but true is not 1."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[k], right[k]) for k in left)
    if isinstance(left, str) or isinstance(right, str):
        return left == right
    if isinstance(left, Sequence) and isinstance(right, Sequence):
        return len(left) == len(right) and all(map(_same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and left == right
