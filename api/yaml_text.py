"""YAML that stands as text inside a manifest: parsed into JSON values, with errors for people.

The parser is PyYAML's safe one, as in Ray's own command line, but for three points in which JSON
differs: dates stay text, keys become text, and what JSON can't hold (sets, binary, infinity) is
refused.  Depth and size are bounded before anything is made of the text: deep nesting overflows the
parser's stack and kills the process, and much text stops it for seconds.  Size is bounded again
after aliases are expanded, as a few lines can stand for more than any memory holds.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import yaml

from ray_operator.api.errors import InvalidSpecError
from ray_operator.operator.documents import JsonValue

_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MOST_VALUES = 50_000
"""Some thousand deployments.  A value costs 5 µs, during which nothing else is served: an object of
1.5 MB can hold half a million, and reading them would stop the process for seconds."""
_MOST_NODES = 2 * _MOST_VALUES
"""Keys are nodes of the text, too.  So many are counted before anything is made of them."""
_DEEPEST = 100
"""Levels of nesting; Ray's schemas have less than 20."""


class _Loader(yaml.CSafeLoader):
    """PyYAML's safe loader, compiled, without dates."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML's own class attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


_UNREADABLE = (
    yaml.YAMLError,
    # What PyYAML's constructors raise for a tag that its text does not fit, as in `!!bool maybe`.
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
)

_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
"""Integers that JSON writers agree upon."""


@lru_cache(maxsize=4)
def parse_yaml(text: str, field: str) -> JsonValue:
    """Parse one YAML document; the last few are remembered, as a spec's are read for each rule.

    Raises:
        InvalidSpecError: the text is no YAML (with line and column), or no JSON can hold it.
    """
    try:
        _check_size(text, field)
        # The loader is a safe one: it makes nothing but plain values.
        loaded = yaml.load(text, Loader=_Loader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        raise InvalidSpecError(field, _explain(error)) from error
    except _UNREADABLE as error:
        raise InvalidSpecError(field, f"expected YAML, but it can't be read: {error}") from error
    return _Plainer(field).make(loaded, 0)


def read_free_form(value: JsonValue, field: str) -> JsonValue:
    """Read what may be written as YAML text or as it is, within the same bounds.

    Raises:
        InvalidSpecError: see `parse_yaml`.
    """
    return parse_yaml(value, field) if isinstance(value, str) else _Plainer(field).make(value, 0)


def _check_size(text: str, field: str) -> None:
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            continue
        nodes += 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        if depth > _DEEPEST or nodes > _MOST_NODES:
            raise _too_much(field)


def _too_much(field: str) -> InvalidSpecError:
    return InvalidSpecError(
        field,
        f"expected at most {_MOST_VALUES} values and {_DEEPEST} levels, found more "
        "(aliases count each time they are used)",
    )


def _explain(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    context = f" ({error.context})" if error.context else ""
    return f"expected YAML, but {place}{error.problem or 'it is malformed'}{context}"


class _Plainer:
    """Copies a loaded document into plain JSON values, counting as it goes."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._left = _MOST_VALUES

    def make(self, value: Any, depth: int) -> JsonValue:  # noqa: ANN401  # whatever YAML holds
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise _too_much(self._field)
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int) and _SMALLEST <= value <= _LARGEST:
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        if isinstance(value, Mapping):
            return dict(self._members(value, depth))
        if isinstance(value, Sequence) and not isinstance(value, bytes):
            return [self.make(item, depth + 1) for item in value]
        # An integer of thousands of digits can't even be printed.
        found = "an integer beyond 64 bits" if isinstance(value, int) else f"{repr(value)[:60]}"
        raise InvalidSpecError(
            self._field,
            f"expected what JSON can hold, found {found} ({type(value).__name__})",
        )

    def _members(self, value: Mapping[Any, Any], depth: int) -> Iterator[tuple[str, JsonValue]]:
        for key, member in value.items():
            yield self._key(key), self.make(member, depth + 1)

    def _key(self, key: object) -> str:
        match key:
            case str():
                return key
            case bool():
                return "true" if key else "false"
            case None:
                return "null"
            case int() if not _SMALLEST <= key <= _LARGEST:
                raise InvalidSpecError(self._field, "expected keys of at most 64 bits")
            case _:
                return str(key)
