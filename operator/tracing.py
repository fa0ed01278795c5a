"""Spans around reconciles and calls; free unless an OTLP endpoint is set.

    with tracing.span("reconcile raycluster", namespace="ns"):      a piece of our own work
        with tracing.call("create pods", resource="pods"):          a request to somebody else

Spans nest as the code does, tasks included that are started inside.  Requests carry the span's
identity (`headers`), so that an API server which traces joins in.

OpenTelemetry is imported only by `configure`: its exporter costs 15 MB that most installations
have no use for.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray_operator.operator.otlp import Spans

_FREE = nullcontext()
_NONE: Mapping[str, str] = {}
_spans: "Spans | None" = None


def span(name: str, /, **fields: str) -> AbstractContextManager[object]:
    """Return a context manager that traces its body as `name`; an exception marks the span."""
    return _FREE if _spans is None else _spans.start(name, fields, is_call=False)


def call(name: str, /, **fields: str) -> AbstractContextManager[object]:
    """Return a context manager that traces a request to somebody else, as `span` does."""
    return _FREE if _spans is None else _spans.start(name, fields, is_call=True)


def headers() -> Mapping[str, str]:
    """Return the headers that go with a request: `traceparent` while tracing, else nothing."""
    return _NONE if _spans is None else _spans.headers()


def detach() -> None:
    """Begin traces of its own in this task: for what a reconcile starts, and outlives it."""
    if _spans is not None:
        _spans.detach()


def configure(endpoint: str, service_version: str) -> None:
    """Send spans to an OTLP/HTTP `endpoint` from now on; "" leaves tracing off.

    It is only asked for whether there is one: OpenTelemetry reads the variable itself.
    """
    global _spans  # noqa: PLW0603 - a process has one
    if endpoint:
        from ray_operator.operator.otlp import Spans  # noqa: PLC0415 - see the module's docstring

        _spans = Spans(service_version)


def shut_down() -> None:
    """Send what is left, for two seconds at most, and stop tracing."""
    global _spans  # noqa: PLW0603 - a process has one
    if _spans is not None:
        _spans.shut_down()
    _spans = None
