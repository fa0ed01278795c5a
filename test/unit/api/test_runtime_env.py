"""Ray's runtime environment in all its forms."""

from typing import Any

import pytest

from ray_operator.api.errors import InvalidSpecError
from ray_operator.api.runtime_env import normalise_runtime_env, read_runtime_env
from ray_operator.operator.documents import JsonObject
from support.vectors import read_vectors

VECTORS = read_vectors("free_forms")["runtime_env"]


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: str(case["what"]))
def test_an_environment_becomes_what_the_vectors_say(case: dict[str, Any]) -> None:
    assert normalise_runtime_env(case["given"], "spec.runtimeEnv") == case["want"]


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        ({}, {}),
        ({"runtimeEnv": None, "runtimeEnvYAML": ""}, {}),
        ({"runtimeEnvYAML": "pip: [a]"}, {"pip": ["a"]}),
        ({"runtimeEnvYAML": "# nothing"}, {}),
        ({"runtimeEnv": {"workingDir": "s3://b"}}, {"working_dir": "s3://b"}),
        ({"runtimeEnv": "workingDir: s3://b"}, {"working_dir": "s3://b"}),
        ({"runtimeEnv": "env: {A: '1'}"}, {"env": {"A": "1"}}),
    ],
)
def test_a_job_has_one_environment_wherever_it_is_written(spec: JsonObject, want: Any) -> None:  # noqa: ANN401
    assert read_runtime_env(spec) == want


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"runtimeEnv": {"pip": []}, "runtimeEnvYAML": "pip: []"}, "spec.runtimeEnv"),
        ({"runtimeEnvYAML": "not a mapping"}, "spec.runtimeEnvYAML"),
        ({"runtimeEnvYAML": "{"}, "spec.runtimeEnvYAML"),
        ({"runtimeEnv": ["pip"]}, "spec.runtimeEnv"),
        ({"runtimeEnv": "bm90IGpzb24="}, "spec.runtimeEnv"),
        ({"runtimeEnv": 3}, "spec.runtimeEnv"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_field(spec: JsonObject, field: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        read_runtime_env(spec)

    assert caught.value.field == field
