"""OpenTelemetry's SDK behind the few functions that `tracing.py` needs; imported by it alone.

What leaves the process is sent by a thread of the SDK's: a collector that is slow, dead or deaf
costs a queue of at most 2,048 spans (`OTEL_BSP_MAX_QUEUE_SIZE`), of which the oldest are dropped,
never the time of a reconcile.
"""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ray_operator.operator.logs import Logger

log = Logger(__name__)

FLUSH_SECONDS = 2.0
"""What a stop can spare for the last spans, of the 30 s that the Deployment allows."""


class Spans:
    """Makes spans and sends them where `OTEL_EXPORTER_OTLP_ENDPOINT` says.

    Headers, sampling, time-outs and the rest come from the SDK's own environment variables.
    """

    def __init__(self, service_version: str) -> None:
        attributes = {"service.name": "ray-operator", "service.version": service_version}
        # At the exit of the interpreter it would wait half a minute for a dead collector.
        self._provider = TracerProvider(
            resource=Resource.create(attributes), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = trace.get_tracer("ray_operator", tracer_provider=self._provider)
        self._propagator = TraceContextTextMapPropagator()

    def start(
        self, name: str, fields: Mapping[str, str], *, is_call: bool
    ) -> AbstractContextManager[object]:
        """Return a context manager that traces its body; an exception is recorded as a failure."""
        kind = trace.SpanKind.CLIENT if is_call else trace.SpanKind.INTERNAL
        return self._tracer.start_as_current_span(name, kind=kind, attributes=fields)

    def headers(self) -> Mapping[str, str]:
        """Return `traceparent` (W3C Trace Context) of the span that is open in this task."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier

    def detach(self) -> None:
        """Let the current task forget the span that it was started in."""
        context.attach(context.Context())

    def shut_down(self) -> None:
        """Send what is left, for two seconds at most; the SDK would take up to 30."""
        ending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)
        if ending.is_alive():
            log.warning("the last spans could not be sent in time", seconds=FLUSH_SECONDS)
