"""Which keys of the Serve config have a camelCase form: Ray's schema, as far as we rename it.

Source: Ray's `serve/schema.py` (2.0 to 2.60).  A key that is missing here only means that its
camelCase form is passed on, and refused by Ray with a clear message.
"""

from dataclasses import dataclass
from functools import cache

from ray_operator.api.casing import Shape
from ray_operator.api.runtime_env import SHAPE as RUNTIME_ENV

_ACTOR_OPTIONS = Shape(
    frozenset({"num_cpus", "num_gpus", "object_store_memory", "accelerator_type", "runtime_env"}),
    {"runtime_env": RUNTIME_ENV},
)
_DEPLOYMENT_KEYS = frozenset(
    {
        "num_replicas",
        "max_ongoing_requests",
        "max_queued_requests",
        "user_config",
        "autoscaling_config",
        "graceful_shutdown_wait_loop_s",
        "graceful_shutdown_timeout_s",
        "health_check_period_s",
        "health_check_timeout_s",
        "max_replicas_per_node",
        "ray_actor_options",
        "logging_config",
    },
)
_CONFIG_KEYS = frozenset(
    {"proxy_location", "http_options", "grpc_options", "logging_config", "target_capacity"},
)
_APPLICATION_KEYS = frozenset(
    {"route_prefix", "import_path", "runtime_env", "external_scaler_enabled"},
)
_HTTP_OPTIONS = Shape(frozenset({"root_path", "request_timeout_s", "keep_alive_timeout_s"}))
_GRPC_OPTIONS = Shape(frozenset({"grpc_servicer_functions"}))


@dataclass(frozen=True, slots=True)
class Shapes:
    """The current form, the form of early releases, and a deployment in the latter."""

    config: Shape
    legacy: Shape
    deployment: Shape


@cache
def shapes_for(*, takes_ongoing_requests: bool) -> Shapes:
    """Return the shapes for a Ray that does or doesn't know `max_ongoing_requests` (2.10)."""
    bound = "max_ongoing_requests" if takes_ongoing_requests else "max_concurrent_queries"
    renames = {"maxConcurrentQueries": bound}
    levels = {"ray_actor_options": _ACTOR_OPTIONS, "autoscaling_config": Shape(None)}
    deployment = Shape(_DEPLOYMENT_KEYS, levels, renames)
    legacy = Shape(_DEPLOYMENT_KEYS | {"route_prefix"}, levels, renames)
    application = Shape(
        _APPLICATION_KEYS,
        {"runtime_env": RUNTIME_ENV, "deployments": deployment},
    )
    return Shapes(
        Shape(
            _CONFIG_KEYS,
            {
                "http_options": _HTTP_OPTIONS,
                "grpc_options": _GRPC_OPTIONS,
                "applications": application,
            },
        ),
        Shape(
            frozenset({"import_path", "runtime_env", "serve_configs"}),
            {"deployments": legacy, "serve_configs": legacy},
        ),
        legacy,
    )
