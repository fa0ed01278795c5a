"""An OpenTelemetry collector on loopback: takes OTLP over HTTP and keeps the spans."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

TRACES = "/v1/traces"


@dataclass(frozen=True)
class Told:
    """One span as it came over the wire."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    has_failed: bool
    message: str
    fields: Mapping[str, str]

    @property
    def is_call(self) -> bool:
        """Whether it is a request to somebody else."""
        return self.kind == Span.SPAN_KIND_CLIENT


@dataclass
class Collector:
    """What arrived; while `answers` is not set, it takes requests and does not answer."""

    url: str = ""
    spans: list[Told] = field(default_factory=list)
    service: str = ""
    asked: threading.Event = field(default_factory=threading.Event)
    answers: threading.Event = field(default_factory=threading.Event)

    def named(self, name: str) -> Told:
        """Return the only span of that name."""
        (found,) = (span for span in self.spans if span.name == name)
        return found

    def take(self, body: bytes) -> None:
        """Decode a request."""
        request = ExportTraceServiceRequest.FromString(body)
        for of_process in request.resource_spans:
            attributes = {a.key: a.value.string_value for a in of_process.resource.attributes}
            self.service = attributes["service.name"]
            self.spans += [_told(s) for scope in of_process.scope_spans for s in scope.spans]


def _told(span: Span) -> Told:
    return Told(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=span.kind,
        has_failed=span.status.code == Status.STATUS_CODE_ERROR,
        message=span.status.message,
        fields={a.key: a.value.string_value for a in span.attributes},
    )


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Listen on a free port, in threads of its own."""
    collector = Collector()
    collector.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.asked.set()
            collector.answers.wait()
            if self.path == TRACES:
                collector.take(body)
            self.send_response(200 if self.path == TRACES else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()
