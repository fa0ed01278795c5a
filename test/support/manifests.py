"""Manifests as users write them, and edits of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    copy_document,
    encode,
    get_object,
    get_text,
)

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "config" / "samples"
SEEDS = ROOT / "test" / "data" / "seeds"
RAYSERVICE_SAMPLE = SAMPLES / "ray_v1alpha1_rayservice.yaml"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object as a user would write it.  An edit gives a new one."""

    document: JsonObject

    @property
    def name(self) -> str:
        """The object's name."""
        return get_text(get_object(self.document, "metadata"), "name")

    @property
    def serve_config(self) -> str:
        """The text of `spec.serveConfigV2`."""
        return get_text(get_object(self.document, "spec"), "serveConfigV2")

    def value(self, path: str) -> JsonValue:
        """Return what stands at a path such as `spec.workerGroupSpecs.0.replicas`."""
        found: JsonValue = self.document
        for step in path.split("."):
            match found:
                case Mapping():
                    found = found[step]
                case Sequence():
                    found = found[int(step)]
        return found

    def set(self, path: str, value: JsonValue) -> "Manifest":
        """Put a value at a path; what is missing on the way is made."""
        changed = _put(self.document, tuple(path.split(".")), value)
        assert isinstance(changed, Mapping)
        return Manifest(changed)

    def replace(self, old: str, new: str) -> "Manifest":
        """Replace a text in `spec.serveConfigV2`, where it must occur once."""
        return self.set("spec.serveConfigV2", replace_once(self.serve_config, old, new))


def read_manifest(path: Path) -> Manifest:
    """Read a file that holds one object."""
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return Manifest(copy_document(loaded))


def a_rayservice(name: str, *, workers: int = 0, image: str = "") -> Manifest:
    """Build the sample's RayService under another name; with no workers it is up soonest.

    The old cluster of an upgrade goes as soon as it is drained, for tests that wait for that.
    """
    service = (
        read_manifest(RAYSERVICE_SAMPLE)
        .set("metadata.name", name)
        .set("spec.rayClusterDeletionDelaySeconds", 0)
        .set("spec.rayClusterConfig.workerGroupSpecs.0.minReplicas", workers)
        .set("spec.rayClusterConfig.workerGroupSpecs.0.replicas", workers)
    )
    return with_image(service, image) if image else service


HEAD_CONTAINER = "spec.rayClusterConfig.headGroupSpec.template.spec.containers.0"
WORKER_CONTAINER = "spec.rayClusterConfig.workerGroupSpecs.0.template.spec.containers.0"


def with_image(service: Manifest, image: str) -> Manifest:
    """Give the head and the workers of a RayService another image."""
    return service.set(f"{HEAD_CONTAINER}.image", image).set(f"{WORKER_CONTAINER}.image", image)


def replace_once(text: str, old: str, new: str) -> str:
    """Replace the one place where `old` stands, as a person edits a file."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in\n{text}"
    return text.replace(old, new)


def as_file(manifest: Manifest, folder: Path) -> Path:
    """Write a manifest to a file (JSON is YAML), for commands that want one."""
    path = folder / f"{manifest.name}.yaml"
    path.write_bytes(encode(manifest.document))
    return path


def _put(document: JsonValue, path: tuple[str, ...], value: JsonValue) -> JsonValue:
    if not path:
        return value
    step, *rest = path
    if isinstance(document, Sequence) and not isinstance(document, str):
        items = list(document)
        items[int(step)] = _put(items[int(step)], tuple(rest), value)
        return items
    fields: JsonObject = document if isinstance(document, Mapping) else {}
    return {**fields, step: _put(fields.get(step), tuple(rest), value)}
