"""Ray's runtime environment, in each form in which manifests hold it.

Objects may have camelCase keys; text is YAML, or (in manifests of early releases) base64 of JSON.
Unknown keys pass through: Ray judges them.
"""

import base64

from ray_operator.api.casing import Shape, with_snake_keys
from ray_operator.api.errors import InvalidSpecError
from ray_operator.api.values import as_object, describe
from ray_operator.api.yaml_text import parse_yaml
from ray_operator.operator.documents import JsonObject, JsonValue

SHAPE = Shape(
    frozenset({"working_dir", "py_modules", "env_vars", "image_uri", "setup_timeout_seconds"}),
)
"""The keys of a runtime environment that have a camelCase form."""

_TEXT_FIELD = "spec.runtimeEnvYAML"
_FREE_FIELD = "spec.runtimeEnv"


def read_runtime_env(job_spec: JsonObject) -> JsonObject:
    """Return the runtime environment of a RayJobSpec as Ray takes it; empty if there is none.

    Raises:
        InvalidSpecError: both fields are set, or the one that is can't be read.
    """
    text, free = job_spec.get("runtimeEnvYAML"), job_spec.get("runtimeEnv")
    if _is_given(text) and _is_given(free):
        raise InvalidSpecError(
            _FREE_FIELD, "expected one of runtimeEnv and runtimeEnvYAML, found both"
        )
    if _is_given(free):
        return normalise_runtime_env(free, _FREE_FIELD)
    if _is_given(text):
        return _mapping(parse_yaml(str(text), _TEXT_FIELD), _TEXT_FIELD)
    return {}


def normalise_runtime_env(value: JsonValue, field: str) -> JsonObject:
    """Return a runtime environment, given as an object or as text, as Ray takes it.

    Raises:
        InvalidSpecError: it is neither an object nor text that holds one.
    """
    if isinstance(value, str):
        return _of_text(value, field)
    return with_ray_keys(_mapping(value, field))


def with_ray_keys(env: JsonObject) -> JsonObject:
    """Rename camelCase keys, merge `env` under `env_vars`, move the time-out into `config`."""
    renamed = dict(as_object(with_snake_keys(env, SHAPE)))
    if "env" in renamed:
        renamed["env_vars"] = {
            **as_object(renamed.pop("env")),
            **as_object(renamed.get("env_vars")),
        }
    if "setup_timeout_seconds" in renamed:
        seconds = renamed.pop("setup_timeout_seconds")
        config = as_object(renamed.get("config"))
        renamed["config"] = {"setup_timeout_seconds": seconds, **config}
    return renamed


def _of_text(text: str, field: str) -> JsonObject:
    parsed = parse_yaml(text, field)
    if isinstance(parsed, str):
        parsed = _decoded(parsed, field)
    env = _mapping(parsed, field)
    has_camel_keys = with_snake_keys(env, SHAPE) != env
    return with_ray_keys(env) if has_camel_keys else env


def _decoded(text: str, field: str) -> JsonValue:
    try:
        decoded = base64.b64decode(text, validate=True).decode()
    except ValueError:  # no ASCII, no base64, or no UTF-8 in it
        return text
    return parse_yaml(decoded, field)


def _mapping(value: JsonValue, field: str) -> JsonObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidSpecError(
            field,
            f"expected an object such as {{working_dir: …, pip: […]}}, found {describe(value)}",
        )
    return value


def _is_given(value: JsonValue) -> bool:
    return value is not None and value not in ("", {})
