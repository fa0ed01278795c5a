"""Every sample, page of a seed and complete manifest: fits the schema, the models and the rules."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ray_operator.api import gates, raycluster_validation, rayservice_validation
from ray_operator.api.model import Model
from ray_operator.api.runtime_env import read_runtime_env
from ray_operator.api.serve_config import applications_of, read_serve_config
from ray_operator.api.v1.raycluster import RayCluster
from ray_operator.api.v1.raycronjob import RayCronJob
from ray_operator.api.v1.rayjob import RayJob
from ray_operator.api.v1.rayservice import RayService
from ray_operator.operator.documents import JsonObject

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "config" / "samples"
COMPLETE = ROOT / "test" / "data" / "complete"
SEEDS = ROOT / "test" / "data" / "seeds"
MODELS: Mapping[str, type[Model]] = {
    "RayCluster": RayCluster,
    "RayCronJob": RayCronJob,
    "RayJob": RayJob,
    "RayService": RayService,
}


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


FILES = {
    f"{path.parent.name}/{path.name}": path
    for folder in (SAMPLES, SEEDS, COMPLETE)
    for path in sorted(folder.glob("*.yaml"))
    if str(read(path).get("apiVersion", "")).startswith("ray.io/")
}
GOOD = {name: path for name, path in FILES.items() if path.parent != COMPLETE}


def strict(schema: Any) -> Any:  # noqa: ANN401  # any piece of a JSON schema
    """Turn a CRD's schema into one that refuses unknown fields, as kubectl does."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "x-kubernetes-int-or-string" in schema:
        return {"type": ["integer", "string"]}
    made = {key: strict(value) for key, value in schema.items() if key != "format"}
    is_open = "x-kubernetes-preserve-unknown-fields" in schema
    if schema.get("type") == "object" and "properties" in schema and not is_open:
        made.setdefault("additionalProperties", False)
    return made


def validator(document: Mapping[str, Any]) -> jsonschema.Draft202012Validator:
    kind, version = document["kind"], document["apiVersion"].partition("/")[2]
    path = ROOT / "config" / "crd" / "bases" / f"ray.io_{kind.lower()}s.yaml"
    crd = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    schema = next(
        v["schema"]["openAPIV3Schema"] for v in crd["spec"]["versions"] if v["name"] == version
    )
    schema["properties"].pop("metadata")
    return jsonschema.Draft202012Validator(strict(schema))


def without_nulls(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    """Drop nulls, as the API server does before it looks at the schema."""
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return value


def with_bounds(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    """Add the defaults that the schema requires."""
    if isinstance(value, list):
        return [with_bounds(item) for item in value]
    if not isinstance(value, dict):
        return value
    defaults = {"minReplicas": 0, "maxReplicas": 5} if "groupName" in value else {}
    return defaults | {k: with_bounds(v) for k, v in value.items()}


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_a_manifest_fits_the_schema_strictly(path: Path) -> None:
    document = with_bounds(without_nulls(read(path)))
    for entry in document["spec"].get("networkPolicy", {}).get("workerGroups", []):
        entry.pop("minReplicas")
        entry.pop("maxReplicas")
    document.pop("metadata")

    errors = validator(document).iter_errors(document)

    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_a_manifest_passes_through_the_models_without_loss(path: Path) -> None:
    document = read(path)

    model = MODELS[document["kind"]].model_validate(document)

    assert model.model_dump(mode="json", by_alias=True, exclude_unset=True) == document


@pytest.mark.parametrize("path", GOOD.values(), ids=GOOD)
def test_a_sample_has_no_problem(path: Path) -> None:
    document: JsonObject = with_bounds(read(path))

    match document["kind"]:
        case "RayCluster":
            assert raycluster_validation.find_problem(document, gates.DEFAULT) is None
        case "RayService":
            assert rayservice_validation.find_problem(document, gates.DEFAULT) is None
        case "RayJob":
            assert read_runtime_env(read(path)["spec"]) is not None


def test_the_guides_sample_has_the_applications_that_its_readers_expect() -> None:
    spec = read(SAMPLES / "ray_v1alpha1_rayservice.yaml")["spec"]

    applications = applications_of(read_serve_config(spec))

    assert {name: app["route_prefix"] for name, app in applications.items()} == {
        "fruit_app": "/fruit",
        "math_app": "/calc",
    }
    mango = json.dumps(applications["fruit_app"]["deployments"])
    assert '"name": "MangoStand", "num_replicas": 1, "user_config": {"price": 3}' in mango


@pytest.mark.parametrize("kind", ["RayCluster", "RayJob", "RayService", "RayCronJob"])
def test_a_complete_manifest_holds_every_field_of_ours(kind: str) -> None:
    document = read(COMPLETE / f"{kind.lower()}.yaml")
    model = MODELS[kind].model_validate(document)
    elsewhere = {"RayClusterSpec", "RayJobSpec"} - {f"{kind}Spec"}

    assert set(unset_fields(model, elsewhere | NEVER_COMPLETE)) == {f"{kind}.status"}


def unset_fields(model: Model, skipped: set[str]) -> Iterator[str]:
    name = type(model).__name__
    for field in type(model).model_fields:
        if field not in model.model_fields_set:
            yield f"{name}.{field}"
        member = getattr(model, field)
        for part in member if isinstance(member, list) else [member]:
            if isinstance(part, Model) and type(part).__name__ not in skipped:
                yield from unset_fields(part, skipped)


NEVER_COMPLETE = {"Credential", "DeletionCondition", "DeletionStrategy", "NetworkRules", "Storage"}
"""Not all of their fields may be set together."""


def test_unknown_fields_are_ignored_and_models_cannot_be_changed() -> None:
    document = read(SAMPLES / "ray-cluster.sample.yaml")
    document["spec"]["future"] = 1

    cluster = RayCluster.model_validate(document)

    assert cluster.spec.ray_version == "2.60.0"
    with pytest.raises(ValueError, match="frozen"):
        cluster.spec.ray_version = "x"  # type: ignore[misc]  # the point of the test
