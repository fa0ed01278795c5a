"""Shared memory and Ray's temporary directory (raycluster.md 5.3)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    get_object,
    get_objects,
    get_text,
)

_SHM_VOLUME, _SHM_PATH = "shared-mem", "/dev/shm"  # noqa: S108  # the kernel's path
_LOGS_VOLUME, _LOGS_PATH = "ray-logs", "/tmp/ray"  # noqa: S108  # Ray's own path


@dataclass(frozen=True, slots=True)
class Storage:
    """A volume and where a container sees it."""

    volume: JsonObject
    mount: JsonObject


def shared_memory(container: JsonObject, start_params: Mapping[str, str]) -> Storage | None:
    """Return memory for Ray's object store; `None` where the user arranged it.

    A container gets 64 MiB of /dev/shm by itself; Ray then falls back to files and is slow.
    """
    if "plasma-directory" in start_params or mounts_at(container, _SHM_PATH):
        return None
    resources = get_object(container, "resources")
    limits, requests = get_object(resources, "limits"), get_object(resources, "requests")
    size = limits.get("memory", requests.get("memory"))
    memory: dict[str, JsonValue] = {"medium": "Memory"}
    if size is not None:
        memory["sizeLimit"] = size
    return Storage(
        volume={"name": _SHM_VOLUME, "emptyDir": memory},
        mount={"name": _SHM_VOLUME, "mountPath": _SHM_PATH},
    )


def ray_directory() -> Storage:
    """Return Ray's temporary directory, for containers that read each other's files there."""
    return Storage(
        volume={"name": _LOGS_VOLUME, "emptyDir": {}},
        mount={"name": _LOGS_VOLUME, "mountPath": _LOGS_PATH},
    )


def mounts_at(container: JsonObject, path: str) -> bool:
    """Tell whether something is mounted at exactly that path."""
    mounts = get_objects(container, "volumeMounts")
    return any(get_text(mount, "mountPath").rstrip("/") == path for mount in mounts)


def with_mounts(container: JsonObject, mounts: Iterable[JsonObject]) -> JsonObject:
    """Return the container with these mounts too, but for paths that are taken."""
    free = [mount for mount in mounts if not mounts_at(container, get_text(mount, "mountPath"))]
    if not free:
        return container
    return {**container, "volumeMounts": [*get_objects(container, "volumeMounts"), *free]}


def with_volumes(
    volumes: Iterable[JsonObject],
    extra: Iterable[JsonObject],
) -> list[JsonObject]:
    """Return the volumes with those whose names are not taken."""
    kept = list(volumes)
    taken = {get_text(volume, "name") for volume in kept}
    return [*kept, *(volume for volume in extra if get_text(volume, "name") not in taken)]
