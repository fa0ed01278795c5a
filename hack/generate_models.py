"""Make api/v1 from hack/crds, the short form of the CRDs: one module of pydantic models a kind.

datamodel-code-generator writes the classes.  This module prepares what it reads: each object of the
schema gets a name, Kubernetes' own types become opaque, and bounds are left out, because the API
server has checked them already and a model must be able to read whatever is stored.

With --check nothing is written; the exit code is 1 if a committed file differs from what would be
made.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamodel_code_generator import InputFileType, LiteralType, generate
from datamodel_code_generator.enums import DataModelType
from datamodel_code_generator.format import Formatter, PythonVersion

from hack.generate_crds import ROOT, Schema, load_part, load_source, write_or_compare

MODELS = ROOT / "api" / "v1"
OPAQUE_OBJECT: Schema = {"customTypePath": "ray_operator.api.model.OpaqueObject"}
OPAQUE_VALUE: Schema = {"customTypePath": "ray_operator.api.model.OpaqueValue"}
INT_OR_STRING: Schema = {"anyOf": [{"type": "integer"}, {"type": "string"}]}

PART_CLASSES: Mapping[str, str] = {
    "cluster_spec": "raycluster.RayClusterSpec",
    "cluster_status": "raycluster.RayClusterStatus",
    "condition": "raycluster.Condition",
    "credential": "raycluster.Credential",
    "network_rules": "raycluster.NetworkRules",
    "job_spec": "rayjob.RayJobSpec",
    "deletion_policy": "rayjob.DeletionPolicy",
    "service_cluster_status": "rayservice.ServiceClusterStatus",
}
"""Pieces that stand in several places and get one class; the others are written out."""
KINDS = ("raycluster", "rayjob", "rayservice", "raycronjob")
KEPT = ("type", "format", "required", "enum", "default", "description")

HEADER = "# Made by hack/generate_models.py from hack/crds; change those and run `make generate`."
PACKAGE_DOC = '''\
"""Models of the four kinds in version v1: one module each, generated (hack/generate_models.py)."""
'''


def main() -> int:
    """Write or compare the models."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check: bool = parser.parse_args().check
    stale = [path for path, text in made_files() if not write_or_compare(path, text, check=check)]
    return 1 if stale else 0


def made_files() -> Iterator[tuple[Path, str]]:
    """Yield each module's path and the text that belongs into it."""
    classes = find_classes()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "v1"
        _generate(classes, output)
        yield MODELS / "__init__.py", PACKAGE_DOC
        for kind in KINDS:
            text = (output / f"{kind}.py").read_text(encoding="utf-8")
            yield MODELS / f"{kind}.py", text


def find_classes() -> Mapping[str, Schema]:
    """Return the schema of each class to make, by `module.Name`."""
    classes: dict[str, Schema] = {}
    for module in KINDS:
        source = load_source(module)
        kind = source["kind"]
        prepare = _Preparation(classes, module)
        spec = prepare.member(source["spec"], f"{kind}Spec")
        status = prepare.member(source["status"], f"{kind}Status")
        classes[f"{module}.{kind}"] = {
            "type": "object",
            "description": source["description"],
            "required": ["spec"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": OPAQUE_OBJECT,
                "spec": spec,
                "status": status,
            },
        }
    return classes


@dataclass(frozen=True, slots=True)
class _Preparation:
    """Prepares the schemas of one module; every object on the way becomes a class of its own."""

    classes: dict[str, Schema]
    module: str

    def member(self, node: Mapping[str, Any], name: str) -> Schema:
        """Prepare the schema of a member; `name` is for the class if it is an object."""
        if "$part" in node:
            return self._part(node, name)
        if "$kubernetes" in node or "$template" in node:
            return _described(OPAQUE_OBJECT, node)
        if "x-kubernetes-preserve-unknown-fields" in node:
            return _described(OPAQUE_OBJECT if "type" in node else OPAQUE_VALUE, node)
        if "x-kubernetes-int-or-string" in node:
            return _described(INT_OR_STRING, node)
        if "properties" in node:
            return self._class(node, f"{self.module}.{node.get('$name', name)}")
        return self._plain(node, name)

    def _part(self, node: Mapping[str, Any], name: str) -> Schema:
        part = node["$part"]
        if part not in PART_CLASSES:
            return _described(self.member(load_part(part), name), node)
        module, _, _ = PART_CLASSES[part].partition(".")
        owner = _Preparation(self.classes, module)
        return _described(owner._class(load_part(part), PART_CLASSES[part]), node)

    def _class(self, node: Mapping[str, Any], name: str) -> Schema:
        fields = dict(_fields(node["properties"]))
        schema = {key: node[key] for key in KEPT if key in node}
        # The API server fills in a required field with a default; a manifest may lack it.
        required = [key for key in node.get("required", ()) if "default" not in fields[key]]
        schema["required"] = required
        schema["properties"] = {key: self.member(f, _class_name(key)) for key, f in fields.items()}
        if self.classes.setdefault(name, schema) != schema:
            raise ValueError(f"two different classes would be called {name}")
        return _described({"$ref": f"#/components/schemas/{name}"}, node)

    def _plain(self, node: Mapping[str, Any], name: str) -> Schema:
        schema = {key: node[key] for key in KEPT if key in node}
        for key in ("items", "additionalProperties"):
            if key in node:
                schema[key] = self.member(node[key], _singular(name))
        return schema


def _fields(properties: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, schema in properties.items():
        if name == "$fields":
            yield from load_part(schema).items()
        else:
            yield name, schema


def _described(schema: Schema, node: Mapping[str, Any]) -> Schema:
    return schema | {key: node[key] for key in ("description",) if key in node}


def _class_name(key: str) -> str:
    return key[0].upper() + key[1:]


def _singular(name: str) -> str:
    return name.removesuffix("es") if name.endswith("ses") else name.removesuffix("s")


def _generate(classes: Mapping[str, Schema], output: Path) -> None:
    document = {
        "openapi": "3.0.0",
        "info": {"title": "ray.io", "version": "v1"},
        "paths": {},
        "components": {"schemas": dict(classes)},
    }
    generate(
        document,
        input_file_type=InputFileType.OpenAPI,
        output=output,
        output_model_type=DataModelType.PydanticV2BaseModel,
        target_python_version=PythonVersion.PY_311,
        base_class="ray_operator.api.model.Model",
        snake_case_field=True,
        use_annotated=True,
        enum_field_as_literal=LiteralType.All,
        use_standard_collections=True,
        use_union_operator=True,
        use_schema_description=True,
        use_field_description=True,
        use_single_line_docstring=True,
        disable_timestamp=True,
        custom_file_header=HEADER,
        formatters=[Formatter.BUILTIN],
    )


if __name__ == "__main__":
    sys.exit(main())
