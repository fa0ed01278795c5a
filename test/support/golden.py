"""Golden files: what a builder made last time, kept as YAML under test/data/golden.

`UPDATE_GOLDEN=1 pytest …` writes them anew; a person then reads the difference.
"""

import os
from pathlib import Path

import yaml

from ray_operator.operator.documents import JsonObject, copy_document

FOLDER = Path(__file__).resolve().parent.parent / "data" / "golden"


def assert_golden(name: str, manifest: JsonObject) -> None:
    """Compare a manifest with the file of that name, the order of its lists included."""
    path = FOLDER / f"{name}.yaml"
    document = copy_document(manifest)
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(document, sort_keys=True, width=120, allow_unicode=True)
        path.write_text(text, encoding="utf-8")
    assert document == yaml.safe_load(path.read_text(encoding="utf-8"))
