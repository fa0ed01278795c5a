from datetime import UTC, datetime

import pytest

from ray_operator.api import annotations
from ray_operator.controllers.assigned_config import read_assigned
from ray_operator.controllers.rayservice.recorded import (
    LONGEST_PLAIN_BYTES,
    Submitted,
    assignment,
    read_submitted,
)
from ray_operator.operator.documents import JsonObject

CONFIG: JsonObject = {"applications": [{"name": "fruit", "import_path": "fruit:app"}]}


def a_config_of(size: int, *, compressible: bool = True) -> JsonObject:
    text = (
        "x" * size if compressible else "".join(chr(33 + (i * i * 7 + i) % 90) for i in range(size))
    )
    return {"applications": [{"name": "a", "args": {"text": text}}]}


def present(texts: dict[str, str | None]) -> dict[str, str]:
    return {key: text for key, text in texts.items() if text is not None}


@pytest.mark.parametrize("size", [1, LONGEST_PLAIN_BYTES, 500_000])
def test_an_assigned_config_is_read_as_it_was_written(size: int) -> None:
    config = a_config_of(size)
    written = present(assignment(config, "v1:1"))
    assert read_assigned(written) == config
    assert len(written[annotations.SERVE_CONFIG]) <= LONGEST_PLAIN_BYTES


def test_the_same_config_is_always_written_alike() -> None:
    config = a_config_of(500_000)
    assert assignment(config, "v1:1") == assignment(config, "v1:1")


@pytest.mark.parametrize("text", ["", "nonsense", "gzip:!!", "gzip:aGVsbG8=", "[1]"])
def test_what_somebody_tampered_with_is_no_config(text: str) -> None:
    assert read_assigned({annotations.SERVE_CONFIG: text}) is None


def test_a_submission_is_read_as_it_was_written() -> None:
    submitted = Submitted("v1:1", "head-uid", 2, datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert read_submitted(submitted.as_text()) == submitted
    assert submitted.is_of("head-uid", 2)
    assert not submitted.is_of("head-uid", 3)


@pytest.mark.parametrize("text", ["", "nonsense", "{}", '{"hash":"v1:1","time":"yesterday"}'])
def test_what_is_no_submission_is_none(text: str) -> None:
    assert read_submitted(text) is None
