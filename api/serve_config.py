"""The Serve config of a RayService: any of its forms in, the one that Ray takes out.

`read_serve_config` is pure, and its result is never written back to the spec.  Unknown keys pass
through, because Ray's own words about them help more than ours.
"""

from collections.abc import Callable, Iterator, Mapping

from ray_operator.api.casing import with_snake_keys
from ray_operator.api.errors import InvalidSpecError
from ray_operator.api.runtime_env import normalise_runtime_env, with_ray_keys
from ray_operator.api.serve_shapes import Shapes, shapes_for
from ray_operator.api.values import as_items, as_object, describe, get_entries, get_int_or_none
from ray_operator.api.versions import image_version, is_at_least, parse_version
from ray_operator.api.yaml_text import read_free_form
from ray_operator.operator.documents import JsonObject, JsonValue, get_items, get_object, get_text

SOURCES = ("serveConfigV2", "serveConfig", "serveDeploymentGraphConfig")
"""The fields of a RayServiceSpec that can hold the config; at most one may."""
LEGACY_SOURCES = SOURCES[1:]
DEFAULT_APPLICATION = "default"
"""Name of the only application of the legacy forms, and of one that Ray reports without a name."""
DEFAULT_ROUTE = "/"
"""Ray's own default of `route_prefix`."""

_ONGOING_REQUESTS_SINCE = "2.10"
"""The release that renamed max_concurrent_queries to max_ongoing_requests."""

_Change = Callable[[JsonObject, str], JsonObject]


def read_serve_config(spec: JsonObject) -> JsonObject:
    """Return the Serve config of a RayServiceSpec as Ray takes it; empty if there is none.

    Raises:
        InvalidSpecError: more than one form is used, or the one that is can't be understood.
    """
    source = find_source(spec)
    if source is None:
        return {}
    shapes = shapes_for(takes_ongoing_requests=_takes_ongoing_requests(spec))
    if source in LEGACY_SOURCES:
        return _of_legacy(spec[source], f"spec.{source}", shapes)
    return _of_current(spec[source], f"spec.{source}", shapes)


def find_source(spec: JsonObject) -> str | None:
    """Return the field of a RayServiceSpec that holds the config; `None` if all are empty.

    Raises:
        InvalidSpecError: more than one is set.
    """
    given = [source for source in SOURCES if _is_given(spec.get(source))]
    if len(given) > 1:
        raise InvalidSpecError(
            f"spec.{given[1]}",
            f"expected one form of the Serve config, found {' and '.join(given)}",
        )
    return given[0] if given else None


def is_legacy(spec: JsonObject) -> bool:
    """Tell whether a RayServiceSpec uses a form of early releases."""
    return any(_is_given(spec.get(source)) for source in LEGACY_SOURCES)


def applications_of(config: JsonObject) -> Mapping[str, JsonObject]:
    """Return the applications of a normalised config by name; one without a name is `default`."""
    applications = get_entries(config, "applications")
    return {get_text(app, "name") or DEFAULT_APPLICATION: app for app in applications}


def http_port(config: JsonObject) -> int | None:
    """Return the port that a normalised config gives to Serve's HTTP proxies, if it gives one."""
    return get_int_or_none(get_object(config, "http_options"), "port")


def _of_current(value: JsonValue, field: str, shapes: Shapes) -> JsonObject:
    parsed = read_free_form(value, field)
    if parsed is None:
        return {}
    given = _expect_object(parsed, field, "an object with `applications`")
    renamed = as_object(with_snake_keys(given, shapes.config))
    _check(renamed, field)
    if isinstance(value, str) and renamed == given:
        return given  # written for Ray already; `env` in a runtime environment stays what it is
    return _with_items(renamed, "applications", _application_for_ray, field)


def _check(config: JsonObject, field: str) -> None:
    for application, place in _expect_objects(config, "applications", field):
        for _ in _expect_objects(application, "deployments", place):
            pass


def _application_for_ray(application: JsonObject, field: str) -> JsonObject:
    changed = _with_runtime_env(application, field)
    return _with_items(changed, "deployments", _deployment_for_ray, field)


def _deployment_for_ray(deployment: JsonObject, field: str) -> JsonObject:
    options = deployment.get("ray_actor_options")
    if not isinstance(options, Mapping):
        return deployment
    place = f"{field}.ray_actor_options"
    return {**deployment, "ray_actor_options": _with_runtime_env(options, place)}


def _with_runtime_env(document: JsonObject, _: str) -> JsonObject:
    env = document.get("runtime_env")
    return {**document, "runtime_env": with_ray_keys(env)} if isinstance(env, Mapping) else document


def _of_legacy(value: JsonValue, field: str, shapes: Shapes) -> JsonObject:
    given = _expect_object(value, field, "an object with `importPath`")
    renamed = as_object(with_snake_keys(given, shapes.legacy))
    import_path = get_text(renamed, "import_path")
    if not import_path:
        raise InvalidSpecError(
            f"{field}.importPath",
            "expected the application's path such as module:app, found "
            + describe(renamed.get("import_path")),
        )
    deployments = _legacy_deployments(renamed, field, shapes)
    application: dict[str, JsonValue] = {
        "name": DEFAULT_APPLICATION,
        "route_prefix": _route_of(deployments),
        "import_path": import_path,
    }
    if _is_given(renamed.get("runtime_env")):
        env = normalise_runtime_env(renamed["runtime_env"], f"{field}.runtimeEnv")
        application["runtime_env"] = env
    if deployments:
        application["deployments"] = [_without_route(deployment) for deployment in deployments]
    port = get_int_or_none(renamed, "port")
    return {"applications": [application]} | ({"http_options": {"port": port}} if port else {})


def _legacy_deployments(renamed: JsonObject, field: str, shapes: Shapes) -> list[JsonObject]:
    key = "deployments" if "deployments" in renamed else "serve_configs"
    shown = "deployments" if key == "deployments" else "serveConfigs"
    entries = _expect_objects({shown: renamed.get(key)}, shown, field)
    return [
        as_object(with_snake_keys(_legacy_deployment(entry, place), shapes.deployment))
        for entry, place in entries
    ]


def _legacy_deployment(deployment: JsonObject, field: str) -> JsonObject:
    parsed = dict(deployment)
    for key, shown in (("user_config", "userConfig"), ("autoscaling_config", "autoscalingConfig")):
        if key in parsed:
            parsed[key] = _parsed(parsed[key], f"{field}.{shown}")
    options = parsed.get("ray_actor_options")
    if isinstance(options, Mapping):
        place = f"{field}.rayActorOptions"
        parsed["ray_actor_options"] = _legacy_actor_options(options, place)
    return {key: value for key, value in parsed.items() if value is not None}


def _legacy_actor_options(options: JsonObject, field: str) -> JsonObject:
    parsed = dict(options)
    if "runtime_env" in parsed:
        parsed["runtime_env"] = normalise_runtime_env(parsed["runtime_env"], f"{field}.runtimeEnv")
    if "resources" in parsed:
        parsed["resources"] = _parsed(parsed["resources"], f"{field}.resources")
    return {key: value for key, value in parsed.items() if value is not None}


def _parsed(value: JsonValue, field: str) -> JsonValue:
    return read_free_form(value, field)


def _route_of(deployments: list[JsonObject]) -> str:
    routes = (get_text(deployment, "route_prefix") for deployment in deployments)
    return next((route for route in routes if route), DEFAULT_ROUTE)


def _without_route(deployment: JsonObject) -> JsonObject:
    return {key: value for key, value in deployment.items() if key != "route_prefix"}


def _with_items(document: JsonObject, key: str, change: _Change, field: str) -> JsonObject:
    if not get_items(document, key):
        return document
    changed: list[JsonValue] = [
        change(item, place) for item, place in _expect_objects(document, key, field)
    ]
    return {**document, key: changed}


def _expect_object(value: JsonValue, field: str, expected: str) -> JsonObject:
    if not isinstance(value, Mapping):
        raise InvalidSpecError(field, f"expected {expected}, found {describe(value)}")
    return value


def _expect_objects(
    document: JsonObject,
    key: str,
    field: str,
) -> Iterator[tuple[JsonObject, str]]:
    """Yield the objects of a list and where each one is; nothing at all for an absent list."""
    value = document.get(key)
    if value is not None and (isinstance(value, str) or not isinstance(value, list | tuple)):
        raise InvalidSpecError(f"{field}.{key}", f"expected a list, found {describe(value)}")
    for index, item in enumerate(as_items(value)):
        place = f"{field}.{key}[{index}]"
        yield _expect_object(item, place, "an object with `name`"), place


def _takes_ongoing_requests(spec: JsonObject) -> bool:
    cluster = get_object(spec, "rayClusterConfig")
    version = get_text(cluster, "rayVersion")
    if parse_version(version) is None:
        version = _version_of_head_image(cluster)
    return is_at_least(version, _ONGOING_REQUESTS_SINCE)


def _version_of_head_image(cluster: JsonObject) -> str:
    pod = get_object(cluster, "headGroupSpec", "template", "spec")
    containers = get_entries(pod, "containers")
    version = image_version(get_text(containers[0], "image")) if containers else None
    return ".".join(map(str, version or ()))


def _is_given(value: JsonValue) -> bool:
    return value is not None and value not in ("", {})
