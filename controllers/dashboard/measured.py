"""A transport that counts and traces what goes through it, and how long it takes."""

from http import HTTPStatus

from ray_operator.controllers.dashboard.address import Endpoint
from ray_operator.controllers.dashboard.errors import DashboardError
from ray_operator.controllers.dashboard.transport import Answer, Request, Transport
from ray_operator.operator import metrics, tracing
from ray_operator.operator.clock import Clock

OK, REJECTED, FAILED = "ok", "rejected", "failed"
"""Outcomes of answers; where there was none, the kind of trouble is the outcome."""


class Measured:
    """Sends through another transport and tells the metrics of each request."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    async def send(self, endpoint: Endpoint, request: Request) -> Answer:
        """See `Transport.send`."""
        started = self._clock.monotonic()
        try:
            with tracing.call(f"ray {request.call}", **_fields(endpoint)):
                answer = await self._transport.send(endpoint, request)
        except DashboardError as error:
            metrics.RAY_REQUESTS.labels(request.call, error.trouble.value.lower()).inc()
            raise
        metrics.RAY_REQUESTS.labels(request.call, _outcome(answer)).inc()
        elapsed = self._clock.monotonic() - started
        metrics.RAY_REQUEST_SECONDS.labels(request.call).observe(elapsed)
        return answer


def _fields(endpoint: Endpoint) -> dict[str, str]:
    return {"namespace": endpoint.pod.namespace, "pod": endpoint.pod.name}


def _outcome(answer: Answer) -> str:
    if answer.status < HTTPStatus.BAD_REQUEST:
        return OK
    return REJECTED if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR else FAILED
