"""How two documents differ: the paths, as a person would look for them in a manifest."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from ray_operator.operator.documents import JsonObject, JsonValue

_KEYS_OF_LISTS = ("groupName", "name")
"""Items of lists are told apart by one of these; others by their place."""


def differing_paths(
    left: JsonObject, right: JsonObject, *, leave_out: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield the paths at which two documents differ; keys in `leave_out` are not compared.

    The deepest path that covers the difference is told: `workerGroupSpecs[small].template`, not the
    whole list.
    """
    for key in sorted(left.keys() | right.keys()):
        if key not in leave_out:
            yield from _differing(key, left.get(key), right.get(key), leave_out)


def covers(part: JsonValue, whole: JsonValue) -> bool:
    """Tell whether all that `part` says stands in `whole`, which may say more.

    Ray reports a config with its own defaults added; only what was sent is to be compared.
    """
    if isinstance(part, Mapping) and isinstance(whole, Mapping):
        return all(key in whole and covers(value, whole[key]) for key, value in part.items())
    if _is_list(part) and _is_list(whole):
        return len(part) == len(whole) and all(map(covers, part, whole))
    return part == whole


def _differing(
    path: str, left: JsonValue, right: JsonValue, leave_out: frozenset[str]
) -> Iterator[str]:
    if left == right:
        return
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for inner in differing_paths(left, right, leave_out=leave_out):
            yield f"{path}.{inner}"
    elif _is_list(left) and _is_list(right) and _labels(left) == _labels(right):
        for label, one, other in zip(_labels(left), left, right, strict=True):
            yield from _differing(f"{path}[{label}]", one, other, leave_out)
    else:
        yield path


def _labels(items: Sequence[JsonValue]) -> list[str]:
    return [_label(index, item) for index, item in enumerate(items)]


def _label(index: int, item: JsonValue) -> str:
    if isinstance(item, Mapping):
        for key in _KEYS_OF_LISTS:
            if isinstance(named := item.get(key), str):
                return named
    return str(index)


def _is_list(value: JsonValue) -> TypeGuard[Sequence[JsonValue]]:
    return isinstance(value, Sequence) and not isinstance(value, str)
