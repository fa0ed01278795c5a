"""camelCase keys in free-form configuration, turned into the snake_case that Ray asks for.

Users of Kubernetes write `importPath` where Ray has `import_path`.  Keys are renamed only where
Ray's schema has such a key, and never inside what belongs to the application (`args`,
`user_config`, `env_vars`, …).  A snake_case key that is there already wins.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ray_operator.api.values import as_items
from ray_operator.operator.documents import JsonObject, JsonValue

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Shape:
    """One level of a schema.

    `keys` are its snake_case keys that have a camelCase form; `None` stands for every key.
    `renames` are camelCase keys that have got another name in Ray.
    `children` are the levels below, by key; a child that is a list has the level in each item.
    """

    keys: frozenset[str] | None = frozenset()
    children: "Mapping[str, Shape]" = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)


def to_snake(key: str) -> str:
    """Write `numReplicas` as `num_replicas`."""
    return _HUMP.sub("_", key).lower()


def with_snake_keys(value: JsonValue, shape: Shape) -> JsonValue:
    """Rename the camelCase keys that `shape` knows; a value of another type stays as it is."""
    if isinstance(value, Mapping):
        return _renamed(value, shape)
    if isinstance(value, str):
        return value
    items = as_items(value)
    return [with_snake_keys(item, shape) for item in items] if items else value


def _renamed(document: JsonObject, shape: Shape) -> JsonObject:
    renamed: dict[str, JsonValue] = {}
    for key, value in document.items():
        snake = _snake_of(key, shape)
        if snake != key and snake in document:
            continue
        child = shape.children.get(snake)
        renamed[snake] = with_snake_keys(value, child) if child else value
    return renamed


def _snake_of(key: str, shape: Shape) -> str:
    if key in shape.renames:
        return shape.renames[key]
    snake = to_snake(key)
    return snake if shape.keys is None or snake in shape.keys else key
