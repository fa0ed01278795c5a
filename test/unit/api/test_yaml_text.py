"""YAML in manifests: JSON values out, and no text that hurts the operator."""

import pytest

from ray_operator.api.errors import InvalidSpecError
from ray_operator.api.yaml_text import parse_yaml


def test_dates_stay_text_and_keys_become_text() -> None:
    text = "day: 2026-01-01\n2: a\ntrue: b\nnull: c\n"

    assert parse_yaml(text, "f") == {"day": "2026-01-01", "2": "a", "true": "b", "null": "c"}


def test_aliases_and_merges_work() -> None:
    text = "base: &base {cpu: 1}\none: {<<: *base, gpu: 2}\ntwo: *base\n"

    assert parse_yaml(text, "f") == {
        "base": {"cpu": 1},
        "one": {"cpu": 1, "gpu": 2},
        "two": {"cpu": 1},
    }


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n"
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "a: &a [*a]",
        "[" * 900 + "]" * 900,
        "[" * 100_000,
        "a: " + "[x," * 10,
        "? [1, 2]\n: x",
        "!!binary aGVsbG8=",
        "!!bool maybe",
        '!!int ""',
        "!!timestamp noon",
        "a: 99999999999999999999999",
        "a: 0x" + "f" * 5000,
        "? 0x" + "f" * 5000 + "\n: a",
        "!!set {a, b}",
        "a: .nan",
        "!!python/object/apply:os.system [true]",
        "a: b: c",
        "\ttab: 1",
    ],
    ids=lambda text: text[:20],
)
def test_text_that_would_hurt_or_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        parse_yaml(text, "spec.field")

    assert caught.value.field == "spec.field"


@pytest.mark.parametrize(
    "text",
    ["a: [" + "1," * 500_000 + "]\n}", "\n".join(f"k{i}: {i}" for i in range(90_000)) + "\n}"],
    ids=["a list", "an object"],
)
def test_a_megabyte_of_values_is_refused_before_its_end_is_read(text: str) -> None:
    """Reading it would keep the event loop for seconds; that its end is no YAML isn't seen."""
    with pytest.raises(InvalidSpecError, match="at most 50000 values"):
        parse_yaml(text, "spec.serveConfigV2")


def test_a_megabyte_of_text_is_read() -> None:
    much = "x" * 1_000_000
    assert parse_yaml(f"a: '{much}'", "spec.serveConfigV2") == {"a": much}


def test_a_text_that_is_read_again_at_once_is_not_parsed_again() -> None:
    assert parse_yaml("applications: [one]", "f") is parse_yaml("applications: [one]", "f")
