"""Spans around reconciles and calls; free unless an OTLP endpoint is set.

OpenTelemetry is imported only by `configure`: its exporter costs 15 MB that most installations
have no use for.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

SpanStarter = Callable[[str, dict[str, str]], AbstractContextManager[object]]

_FREE = nullcontext()


def _no_span(_name: str, _fields: dict[str, str]) -> AbstractContextManager[object]:
    return _FREE


_start: SpanStarter = _no_span
_stop: Callable[[], None] = lambda: None  # noqa: E731 - replaced by `configure`


def span(name: str, /, **fields: str) -> AbstractContextManager[object]:
    """Return a context manager that traces its body as `name`; an exception marks the span."""
    return _start(name, fields)


def configure(endpoint: str, service_version: str) -> None:
    """Send spans to an OTLP/HTTP `endpoint` from now on; "" leaves tracing off.

    Everything else (headers, sampling, time-outs) comes from OpenTelemetry's own environment
    variables, which its SDK reads.
    """
    if not endpoint:
        return
    from opentelemetry import trace  # noqa: PLC0415 - see the module's docstring
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - same
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - same
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - same
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - same

    attributes = {"service.name": "ray-operator", "service.version": service_version}
    provider = TracerProvider(resource=Resource.create(attributes))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = trace.get_tracer("ray_operator", tracer_provider=provider)

    @contextmanager
    def start(name: str, fields: dict[str, str]) -> Iterator[None]:
        with tracer.start_as_current_span(name, attributes=fields):
            yield

    global _start, _stop
    _start, _stop = start, provider.shutdown


def shut_down() -> None:
    """Send what is left and stop."""
    _stop()
