"""Make config/crd/bases from hack/crds and the schemas that Kubernetes publishes.

The sources are JSON schemas in YAML with four references:

    $part: name          the piece of that name, from parts.yaml or a file of its own
    $fields: name        in `properties`: the fields of that piece
    $kubernetes: Type    Kubernetes' complete schema of the type, in every version
    $name: Name          name of the class in the models, where the field's own won't do
    $template: Type      the same in v1; open in v1alpha1, since two complete sets of templates
                         would not fit into what `kubectl apply` can carry

Keys beside a reference are added to what it brings.  With --check nothing is written; the exit code
is 1 if a committed file differs from what would be made.
"""

import argparse
import difflib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from ray_operator.api.annotations import CRD_REVISION
from ray_operator.api.kinds import API_GROUP, API_VERSION, CURRENT_CRD_REVISION, OLD_API_VERSION

Schema = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "hack" / "crds"
BASES = ROOT / "config" / "crd" / "bases"

KUBERNETES = "v1.37.0-local"
"""The schemas that templates are checked with.  Newer fields than the cluster's own pass admission
and come back as a Warning when the pod is made; missing fields would be refused without reason."""

HEADER = """\
# Made by hack/generate_crds.py from hack/crds; change those and run `make generate`.
"""
OPEN: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
INT_OR_STRING: Schema = {"x-kubernetes-int-or-string": True}

BASIC_TYPES: Mapping[str, Schema] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": INT_OR_STRING,
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": OPEN,
}
"""Types that Kubernetes writes in its own way."""
OPEN_FIELDS: Mapping[str, Schema] = {"ephemeralContainers": {"type": "array", "items": OPEN}}
"""Not worth their space: the API server refuses these when a pod is made."""

KEPT = ("type", "format", "required", "enum")
KEPT_EXTENSIONS = (
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
)
KEY_DEFAULTS: Mapping[str, str] = {"protocol": "TCP", "name": ""}
"""What Kubernetes fills in for the keys of lists.  The API server insists that a key of a list in a
CRD is required or has a default."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How references are resolved for one version of a kind."""

    templates_are_open: bool


def main() -> int:
    """Write or compare the four files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check: bool = parser.parse_args().check
    stale = [path for path, text in made_files() if not write_or_compare(path, text, check=check)]
    return 1 if stale else 0


def made_files() -> Iterator[tuple[Path, str]]:
    """Yield each file's path and the text that belongs into it."""
    for source in ("raycluster", "rayjob", "rayservice", "raycronjob"):
        crd = make_crd(load_source(source))
        yield BASES / f"{API_GROUP}_{crd['spec']['names']['plural']}.yaml", HEADER + _dump(crd)


def make_crd(source: Mapping[str, Any]) -> Schema:
    """Make a CustomResourceDefinition of one of hack/crds/ray*.yaml."""
    kind, plural = source["kind"], source["plural"]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{API_GROUP}",
            "annotations": {CRD_REVISION: str(CURRENT_CRD_REVISION)},
        },
        "spec": {
            "group": API_GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "categories": ["all"],
            },
            "scope": "Namespaced",
            "versions": [_make_version(source, version) for version in source["versions"]],
        },
    }


def _make_version(source: Mapping[str, Any], version: str) -> Schema:
    rules = Rules(templates_are_open=version == OLD_API_VERSION)
    return {
        "name": version,
        "served": True,
        "storage": version == API_VERSION,
        "subresources": {"status": {}},
        "additionalPrinterColumns": source["columns"],
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "description": source["description"],
                "required": ["spec"],
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                    "spec": resolve(source["spec"], rules),
                    "status": resolve(source["status"], rules),
                },
            },
        },
    }


def resolve(node: Any, rules: Rules) -> Any:  # noqa: ANN401  # any piece of a JSON schema
    """Replace every reference in a piece of schema."""
    if isinstance(node, list):
        return [resolve(item, rules) for item in node]
    if not isinstance(node, dict):
        return node
    resolved: Schema = {}
    for key, value in node.items():
        reference = REFERENCES.get(key)
        resolved |= reference(value, rules) if reference else {key: resolve(value, rules)}
    return resolved


def _resolve_part(name: str, rules: Rules) -> Schema:
    part: Schema = resolve(load_part(name), rules)
    return part


def _resolve_kubernetes(name: str, _: Rules) -> Schema:
    return _copied(kubernetes_schema(name))


def _resolve_template(name: str, rules: Rules) -> Schema:
    return dict(OPEN) if rules.templates_are_open else _copied(kubernetes_schema(name))


def _resolve_name(_: str, __: Rules) -> Schema:
    return {}


REFERENCES: Mapping[str, Callable[[str, Rules], Schema]] = {
    "$part": _resolve_part,
    "$fields": _resolve_part,
    "$name": _resolve_name,
    "$kubernetes": _resolve_kubernetes,
    "$template": _resolve_template,
}


@cache
def kubernetes_schema(name: str) -> Schema:
    """Return Kubernetes' schema of a type in the structural form that a CRD needs.

    Without descriptions, and without the `null` that Kubernetes' own types allow everywhere: in a
    custom resource the API server drops nulls before it looks at the schema.
    """
    return _structural({"$ref": f"#/$defs/{_full_name(name)}"})


def _structural(node: Mapping[str, Any]) -> Schema:
    if "$ref" in node:
        name = node["$ref"].removeprefix("#/$defs/")
        made = BASIC_TYPES[name] if name in BASIC_TYPES else _structural(_definitions()[name])
        return {**made, **_extensions(node)}
    made = {key: _without_null(node[key]) for key in KEPT if key in node} | _extensions(node)
    if "items" in node:
        made["items"] = _with_key_defaults(_structural(node["items"]), made)
    if "additionalProperties" in node:
        made["additionalProperties"] = _structural(node["additionalProperties"])
    if "properties" in node:
        fields = sorted(node["properties"].items())
        made["properties"] = {k: OPEN_FIELDS.get(k) or _structural(v) for k, v in fields}
    return made


def _without_null(value: Any) -> Any:  # noqa: ANN401  # a type, or a list of types or values
    if not isinstance(value, list):
        return value
    rest = [item for item in value if item not in {"null", None}]
    return rest[0] if "null" in value and len(rest) == 1 else rest


def _extensions(node: Mapping[str, Any]) -> Schema:
    return {key: node[key] for key in KEPT_EXTENSIONS if key in node}


def _with_key_defaults(item: Schema, parent: Mapping[str, Any]) -> Schema:
    missing = set(parent.get("x-kubernetes-list-map-keys", ())) - set(item.get("required", ()))
    if not missing:
        return item
    fields = item["properties"]
    defaults = {key: {**fields[key], "default": KEY_DEFAULTS[key]} for key in sorted(missing)}
    return {**item, "properties": {**fields, **defaults}}


def _full_name(name: str) -> str:
    groups = ("core", "networking")
    candidates = (f"io.k8s.api.{group}.v1.{name}" for group in groups)
    return next(candidate for candidate in candidates if candidate in _definitions())


@cache
def _definitions() -> Mapping[str, Any]:
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / KUBERNETES
    text = (folder / "_definitions.json").read_text(encoding="utf-8")
    definitions: Mapping[str, Any] = json.loads(text)["$defs"]
    return definitions


def load_part(name: str) -> Any:  # noqa: ANN401  # any piece of a JSON schema
    """Return the piece that `$part: name` stands for, its own references unresolved."""
    return load_source("parts")[name] if name in load_source("parts") else load_source(name)


@cache
def load_source(name: str) -> Any:  # noqa: ANN401  # any piece of a JSON schema
    """Return the content of hack/crds/<name>.yaml."""
    return yaml.safe_load((SOURCES / f"{name}.yaml").read_text(encoding="utf-8"))


def _copied(schema: Schema) -> Schema:
    """Copy deeply, so that YAML is written without anchors."""
    copy: Schema = json.loads(json.dumps(schema))
    return copy


def _dump(crd: Schema) -> str:
    text: str = yaml.safe_dump(_copied(crd), sort_keys=False, width=100, allow_unicode=True)
    return text


def write_or_compare(path: Path, text: str, *, check: bool) -> bool:
    """Write a file, or with `check` report how it differs; return whether it is right now."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before == text:
        return True
    if check:
        _report(path, before, text)
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"written: {path.relative_to(ROOT)}")
    return True


def _report(path: Path, before: str, after: str) -> None:
    name = path.relative_to(ROOT)
    print(f"stale: {name}; run `make generate`")
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "committed", "made", n=1)
    for line, _ in zip(lines, range(20), strict=False):
        print(f"    {line}")


if __name__ == "__main__":
    sys.exit(main())
