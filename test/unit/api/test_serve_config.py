"""The Serve config in all its forms: the vectors, and errors that name the place."""

from typing import Any

import pytest

from ray_operator.api.errors import InvalidSpecError
from ray_operator.api.hashes import serve_config_hash
from ray_operator.api.serve_config import (
    applications_of,
    http_port,
    is_legacy,
    read_serve_config,
)
from ray_operator.operator.documents import JsonObject, JsonValue
from support.vectors import read_vectors

VECTORS = read_vectors("free_forms")["serve"]
GOOD = [case for case in VECTORS if "want" in case]
BAD = [case for case in VECTORS if "error" in case]


def _what(case: dict[str, Any]) -> str:
    return str(case["what"])


@pytest.mark.parametrize("case", GOOD, ids=_what)
def test_a_config_becomes_what_the_vectors_say(case: dict[str, Any]) -> None:
    assert read_serve_config({case["source"]: case["given"]}) == case["want"]


@pytest.mark.parametrize("case", [c for c in GOOD if "serve_config_hash" in c], ids=_what)
def test_a_config_has_the_hash_of_the_vectors(case: dict[str, Any]) -> None:
    config = read_serve_config({case["source"]: case["given"]})

    assert serve_config_hash(config) == case["serve_config_hash"]


@pytest.mark.parametrize("case", BAD, ids=_what)
def test_a_config_that_cannot_be_understood_is_refused_at_its_place(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        read_serve_config({case["source"]: case["given"]})

    assert caught.value.field == f"spec.{case['source']}.{case['error']}"


@pytest.mark.parametrize(
    ("spec", "field", "part"),
    [
        (
            {"serveConfigV2": "applications:\n  - name: a\n   bad"},
            "spec.serveConfigV2",
            "line 3, column",
        ),
        ({"serveConfigV2": "just words"}, "spec.serveConfigV2", "the text 'just words'"),
        ({"serveConfigV2": "- a\n- b\n"}, "spec.serveConfigV2", "found a list"),
        ({"serveConfigV2": {"applications": {}}}, "spec.serveConfigV2.applications", "an object"),
        (
            {"serveConfigV2": {"applications": ["a"]}},
            "spec.serveConfigV2.applications[0]",
            "the text 'a'",
        ),
        ({"serveConfigV2": "a: .inf"}, "spec.serveConfigV2", "inf"),
        ({"serveConfigV2": "a: !!python/name:os.system"}, "spec.serveConfigV2", "line 1"),
        ({"serveConfigV2": "a: \x00"}, "spec.serveConfigV2", "can't be read"),
        ({"serveConfig": {"deployments": []}}, "spec.serveConfig.importPath", "found nothing"),
        (
            {"serveConfig": {"importPath": "a:b", "deployments": [{"userConfig": "a: ]"}]}},
            "spec.serveConfig.deployments[0].userConfig",
            "line 1",
        ),
        (
            {"serveConfig": {"importPath": "a:b", "runtimeEnv": "[1]"}},
            "spec.serveConfig.runtimeEnv",
            "a list",
        ),
        (
            {"serveConfigV2": "applications: []", "serveConfig": {"importPath": "a:b"}},
            "spec.serveConfig",
            "serveConfigV2 and serveConfig",
        ),
    ],
)
def test_an_error_names_the_field_and_what_was_found(
    spec: JsonObject,
    field: str,
    part: str,
) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        read_serve_config(spec)

    assert caught.value.field == field
    assert part in caught.value.message


@pytest.mark.parametrize("value", [None, "", {}, "# nothing yet\n", "null"])
def test_no_config_is_an_empty_one(value: Any) -> None:  # noqa: ANN401  # any JSON value
    assert read_serve_config({"serveConfigV2": value}) == {}


def test_text_and_object_of_the_same_config_are_the_same_config() -> None:
    text = "applications:\n- name: a   # a comment\n  import_path: m:app\n"
    parsed = {"applications": [{"import_path": "m:app", "name": "a"}]}

    assert read_serve_config({"serveConfigV2": text}) == read_serve_config(
        {"serveConfigV2": parsed},
    )


def test_text_written_for_ray_is_left_alone() -> None:
    text = "applications: [{name: a, runtime_env: {env: {A: '1'}}}]"

    config = read_serve_config({"serveConfigV2": text})

    assert applications_of(config)["a"]["runtime_env"] == {"env": {"A": "1"}}


def test_camel_case_in_text_is_renamed_too() -> None:
    text = (
        "httpOptions: {port: 9000, requestTimeoutS: 5}\n"
        "applications: [{name: a, importPath: 'm:app', runtimeEnv: {env: {A: '1'}}}]"
    )

    assert read_serve_config({"serveConfigV2": text}) == {
        "http_options": {"port": 9000, "request_timeout_s": 5},
        "applications": [
            {"name": "a", "import_path": "m:app", "runtime_env": {"env_vars": {"A": "1"}}},
        ],
    }


@pytest.mark.parametrize(
    ("cluster", "want"),
    [
        ({"rayVersion": "2.60.0"}, "max_ongoing_requests"),
        ({"rayVersion": "2.10.0"}, "max_ongoing_requests"),
        ({"rayVersion": "2.9.0"}, "max_concurrent_queries"),
        ({}, "max_concurrent_queries"),
        (
            {
                "headGroupSpec": {
                    "template": {"spec": {"containers": [{"image": "rayproject/ray:2.60.0"}]}},
                },
            },
            "max_ongoing_requests",
        ),
    ],
)
def test_the_bound_on_requests_has_the_name_that_this_ray_knows(
    cluster: JsonObject,
    want: str,
) -> None:
    deployment: JsonObject = {"name": "D", "maxConcurrentQueries": 7}
    given: JsonObject = {
        "rayClusterConfig": cluster,
        "serveConfigV2": {"applications": [{"name": "a", "deployments": [deployment]}]},
    }

    config = read_serve_config(given)

    assert applications_of(config)["a"]["deployments"] == [{"name": "D", want: 7}]


def test_nested_options_are_renamed_and_the_users_own_are_not() -> None:
    deployment: JsonObject = {
        "name": "D",
        "autoscalingConfig": {"minReplicas": 1, "upscaleDelayS": 3},
        "userConfig": {"numReplicas": 9},
        "rayActorOptions": {
            "numCpus": 0.5,
            "resources": {"myThing": 1},
            "runtimeEnv": {"envVars": {"myVar": "x"}, "setupTimeoutSeconds": 9},
        },
    }

    config = read_serve_config(
        {"serveConfigV2": {"applications": [{"name": "a", "deployments": [deployment]}]}},
    )

    assert applications_of(config)["a"]["deployments"] == [
        {
            "name": "D",
            "autoscaling_config": {"min_replicas": 1, "upscale_delay_s": 3},
            "user_config": {"numReplicas": 9},
            "ray_actor_options": {
                "num_cpus": 0.5,
                "resources": {"myThing": 1},
                "runtime_env": {
                    "env_vars": {"myVar": "x"},
                    "config": {"setup_timeout_seconds": 9},
                },
            },
        },
    ]


def test_the_legacy_form_is_known_as_such_and_tells_its_port() -> None:
    spec: JsonObject = {"serveConfig": {"importPath": "m:app", "port": 8001}}

    assert is_legacy(spec)
    assert not is_legacy({"serveConfigV2": "applications: []"})
    assert http_port(read_serve_config(spec)) == 8001
    assert applications_of(read_serve_config(spec))["default"]["route_prefix"] == "/"


def test_text_in_legacy_fields_is_parsed() -> None:
    spec: JsonObject = {
        "serveConfig": {
            "importPath": "m:app",
            "deployments": [
                {
                    "name": "D",
                    "routePrefix": "/x",
                    "autoscalingConfig": "minReplicas: 1\n",
                    "rayActorOptions": {
                        "runtimeEnv": "env_vars: {A: b}",
                        "resources": '{"thing": 1}',
                    },
                },
            ],
        },
    }

    application = applications_of(read_serve_config(spec))["default"]

    assert application["route_prefix"] == "/x"
    assert application["deployments"] == [
        {
            "name": "D",
            "autoscaling_config": {"min_replicas": 1},
            "ray_actor_options": {
                "runtime_env": {"env_vars": {"A": "b"}},
                "resources": {"thing": 1},
            },
        },
    ]


def test_what_is_handed_in_is_not_changed() -> None:
    given = VECTORS[0]["given"]
    before = repr(given)

    read_serve_config({"serveConfigV2": given})

    assert repr(given) == before


def test_an_object_is_bounded_as_text_is() -> None:
    args: JsonValue = 1
    for _ in range(150):
        args = {"a": args}
    config: JsonObject = {"applications": [{"name": "a", "import_path": "m:n", "args": args}]}

    with pytest.raises(InvalidSpecError, match=r"^spec\.serveConfigV2: expected at most"):
        read_serve_config({"serveConfigV2": config})
