"""The CRDs: small enough, equal in both versions, with defaults that never change."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ray_operator.api.annotations import CRD_REVISION
from ray_operator.api.kinds import CURRENT_CRD_REVISION, KINDS, Kind

ROOT = Path(__file__).parents[3]
BASES = ROOT / "config" / "crd" / "bases"
MOST_BYTES = 250_000
"""The API server takes 262,144 bytes of annotations; the rest is for those of others."""

CLUSTER_SPECS = {
    "RayCluster": ("spec",),
    "RayJob": ("spec", "rayClusterSpec"),
    "RayService": ("spec", "rayClusterConfig"),
    "RayCronJob": ("spec", "jobTemplate", "rayClusterSpec"),
}
OWN_DEFAULTS = {
    "networkPolicy.mode": "DenyAll",
    "workerGroupSpecs[].maxReplicas": 2147483647,
    "workerGroupSpecs[].minReplicas": 0,
    "workerGroupSpecs[].numOfHosts": 1,
    "workerGroupSpecs[].priority": 0,
    "workerGroupSpecs[].replicas": 0,
}
"""Each one enters the hash of a service's cluster: a new or changed one would replace them all."""
TEMPLATE_DEFAULTS = {
    "spec.containers[].ports[].protocol": "TCP",
    "spec.imagePullSecrets[].name": "",
    "spec.initContainers[].ports[].protocol": "TCP",
}
SERVICE_DEFAULTS = {"spec.ports[].protocol": "TCP"}
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
KUBERNETES_TYPES = frozenset(
    {
        "template",
        "submitterPodTemplate",
        "headService",
        "serveService",
        "resources",
        "securityContext",
        "env",
        "envFrom",
        "volumeMounts",
        "valueFrom",
        "tls",
        "ingressRules",
        "egressRules",
    },
)
"""Fields that hold types of Kubernetes, which come without descriptions."""


def read_crd(kind: Kind) -> dict[str, Any]:
    text = (BASES / f"ray.io_{kind.plural}.yaml").read_text(encoding="utf-8")
    crd: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return crd


CRDS = {kind.name: read_crd(kind) for kind in KINDS}


def schema_of(kind: str, version: str) -> dict[str, Any]:
    versions = CRDS[kind]["spec"]["versions"]
    schema: dict[str, Any] = next(
        v["schema"]["openAPIV3Schema"] for v in versions if v["name"] == version
    )
    return schema


def walk(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every schema with its path, such as `spec.groups[].name`."""
    yield path, schema
    for name, member in schema.get("properties", {}).items():
        yield from walk(member, f"{path}.{name}" if path else name)
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


def cluster_spec(kind: str, version: str) -> dict[str, Any]:
    schema = schema_of(kind, version)
    for name in CLUSTER_SPECS[kind]:
        schema = schema["properties"][name]
    return schema


@pytest.mark.parametrize("kind", CRDS)
def test_a_crd_fits_the_annotation_of_kubectl_apply(kind: str) -> None:
    """Kubectl keeps the object as compact JSON, in which Go escapes three characters."""
    compact = json.dumps(CRDS[kind], separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":
        compact = compact.replace(character, f"\\u{ord(character):04x}")

    assert len(compact.encode()) < MOST_BYTES


@pytest.mark.parametrize(
    ("kind", "version"),
    [(kind, v["name"]) for kind in CRDS for v in CRDS[kind]["spec"]["versions"]],
)
def test_defaults_below_a_cluster_spec_are_what_they_always_were(kind: str, version: str) -> None:
    found = {
        path: schema["default"]
        for path, schema in walk(cluster_spec(kind, version))
        if "default" in schema
    }
    want = dict(OWN_DEFAULTS)
    if version == "v1":
        for group in ("headGroupSpec", "workerGroupSpecs[]"):
            want |= {f"{group}.template.{p}": v for p, v in TEMPLATE_DEFAULTS.items()}
        want |= {f"headGroupSpec.headService.{p}": v for p, v in SERVICE_DEFAULTS.items()}
        want["headGroupSpec.headService.spec.ports[].protocol"] = "TCP"

    assert found == want


@pytest.mark.parametrize("kind", ["RayCluster", "RayJob", "RayService"])
def test_both_versions_are_equal_but_for_open_templates(kind: str) -> None:
    closed, opened = schema_of(kind, "v1"), schema_of(kind, "v1alpha1")

    assert with_open_templates(closed) == opened
    assert len(json.dumps(opened)) < len(json.dumps(closed)) / 2


def with_open_templates(schema: Any) -> Any:  # noqa: ANN401  # any piece of a schema
    if isinstance(schema, list):
        return [with_open_templates(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    templates = ("template", "submitterPodTemplate", "headService", "serveService")
    return {
        key: OPEN | {"description": value["description"]}
        if key in templates and "description" in value
        else with_open_templates(value)
        for key, value in schema.items()
    }


@pytest.mark.parametrize("kind", CRDS)
def test_every_field_of_ours_is_described_in_one_short_sentence_or_two(kind: str) -> None:
    schema = schema_of(kind, "v1")
    own = {
        path: member
        for path, member in walk(schema)
        if not KUBERNETES_TYPES & set(path.replace("[]", "").replace("{}", "").split(".")[:-1])
        and path.rpartition(".")[2] not in {"", "apiVersion", "kind", "metadata"}
        and not path.endswith(("[]", "{}"))
    }

    assert [path for path, member in own.items() if not member.get("description")] == []
    assert [path for path, m in own.items() if len(m["description"]) > 160] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))
def test_a_crd_has_the_names_and_the_revision_that_the_operator_expects(kind: Kind) -> None:
    crd = CRDS[kind.name]

    assert crd["metadata"]["name"] == kind.crd_name
    assert crd["metadata"]["annotations"] == {CRD_REVISION: str(CURRENT_CRD_REVISION)}
    assert crd["spec"]["names"] == {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "categories": ["all"],
    }
    assert all(v["subresources"] == {"status": {}} for v in crd["spec"]["versions"])


def test_kustomize_installs_every_crd() -> None:
    text = (ROOT / "config" / "crd" / "kustomization.yaml").read_text(encoding="utf-8")

    listed = yaml.safe_load(text)["resources"]

    assert sorted(listed) == sorted(f"bases/{path.name}" for path in BASES.iterdir())


@pytest.mark.parametrize("kind", CRDS)
def test_keys_of_lists_are_required_or_have_a_default(kind: str) -> None:
    """The API server refuses a CRD otherwise; here the refusal names the field."""
    for version in CRDS[kind]["spec"]["versions"]:
        for path, schema in walk(version["schema"]["openAPIV3Schema"]):
            for key in schema.get("x-kubernetes-list-map-keys", []):
                item = schema["items"]
                is_safe = key in item.get("required", []) or "default" in item["properties"][key]
                assert is_safe, f"{path}[].{key}"


SCHEMA_KEYS = {
    "additionalProperties",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
}


@pytest.mark.parametrize("kind", CRDS)
def test_a_schema_has_no_key_by_accident(kind: str) -> None:
    """An unquoted comma in the sources makes one, which the API server drops in silence."""
    for version in CRDS[kind]["spec"]["versions"]:
        for path, schema in walk(version["schema"]["openAPIV3Schema"]):
            assert set(schema) <= SCHEMA_KEYS, path


@pytest.mark.parametrize("kind", CRDS)
def test_every_part_of_a_schema_has_a_type_or_is_open(kind: str) -> None:
    for version in CRDS[kind]["spec"]["versions"]:
        for path, schema in walk(version["schema"]["openAPIV3Schema"]):
            is_typed = "type" in schema or "x-kubernetes-int-or-string" in schema
            assert is_typed or "x-kubernetes-preserve-unknown-fields" in schema, path
