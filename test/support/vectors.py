"""The test vectors of test/data/vectors: what the rules give, worked out apart from our code."""

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "data"


def read_vectors(name: str) -> Any:  # noqa: ANN401  # JSON of a shape that only the one test knows
    """Return the content of `test/data/vectors/<name>.json`."""
    return json.loads((DATA / "vectors" / f"{name}.json").read_text(encoding="utf-8"))
