"""Requests that change the cluster, as values: planned by one part, sent by `executor.py`."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from ray_operator.operator.documents import JsonObject, JsonValue
from ray_operator.operator.keys import Key
from ray_operator.operator.resources import Resource


@dataclass(frozen=True, slots=True)
class Create:
    """Create `manifest`, which holds `metadata.name` and `metadata.namespace`.

    The executor adds apiVersion, kind and the owner's controller reference where they are absent.
    `owned=False` leaves the object without an owner (a PVC that must outlive its cluster).
    """

    resource: Resource
    manifest: JsonObject
    owned: bool = True


@dataclass(frozen=True, slots=True)
class MergePatch:
    """Change only the named fields (RFC 7386).

    With `resource_version` the patch fails with `Conflict` if the object changed since.
    """

    resource: Resource
    key: Key
    patch: JsonObject
    subresource: str = ""
    resource_version: str | None = None


@dataclass(frozen=True, slots=True)
class JsonPatch:
    """Change by operations (RFC 6902): for single items of arrays, with `test` operations."""

    resource: Resource
    key: Key
    operations: tuple[JsonValue, ...]
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete one object; children go in the background.

    With `uid`, only that life of the object is deleted.  `grace=None` keeps the object's own
    grace period.
    """

    resource: Resource
    key: Key
    uid: str | None = None
    grace: timedelta | None = None


Write: TypeAlias = Create | MergePatch | JsonPatch | Delete
