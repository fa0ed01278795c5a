"""How deeply an object may be nested: the API server takes 10,000 levels where a schema is open."""

from collections.abc import Iterator, Mapping, Sequence

from ray_operator.api.problems import Problem
from ray_operator.operator.documents import DEEPEST, TOO_DEEP, JsonObject, JsonValue

_SHOWN = 12
"""Steps of a path that are shown: enough to find the place, few enough to be read."""


def find_depth_problem(spec: JsonObject, text: bytes) -> Problem | None:
    """Return the problem of a spec of which something was too deep to be read.

    `text` is the spec as JSON: most specs need not be searched.
    """
    if TOO_DEEP.encode() not in text:
        return None
    place = next(_places(spec), ())
    shown = "".join(place[:_SHOWN]) + ("…" if len(place) > _SHOWN else "")
    return Problem(f"spec{shown}", f"expected at most {DEEPEST} levels of nesting, found more")


def _places(value: JsonValue, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if value == TOO_DEEP:
        yield path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _places(item, (*path, f".{key}"))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            yield from _places(item, (*path, f"[{index}]"))
