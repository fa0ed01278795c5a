"""Ray Serve's REST API as three verbs: report, deploy, proxy health.

The API lies on the dashboard's port since Ray 2.8 and on the head's agent port before.  Which of
the two is found by asking, not by a version that users write by hand, and remembered per
incarnation of the head.  Statuses are always judged, bodies only as far as they are read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

import orjson

from ray_operator.controllers.dashboard.address import ClusterAddress, Endpoint, PodAddress
from ray_operator.controllers.dashboard.admission import PER_ROUND, Admission
from ray_operator.controllers.dashboard.errors import DashboardError, RejectedError, Trouble
from ray_operator.controllers.dashboard.reports import ProxyHealth, ServeReport, parse_report
from ray_operator.controllers.dashboard.round import ask_round
from ray_operator.controllers.dashboard.transport import Answer, Request, Transport

APPLICATIONS = "/api/serve/applications/"
PROXY_HEALTH = "/-/healthz"
METRICS = "/metrics"
AGENT_HEALTH = "/api/local_raylet_healthz"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds of whole requests (operator.md 6.1)."""

    read: timedelta = timedelta(seconds=5)
    write: timedelta = timedelta(seconds=30)
    """Ray answers a PUT when the controller has accepted it; building the apps comes after."""
    probe: timedelta = timedelta(seconds=2)
    round: timedelta = timedelta(seconds=10)
    """All pods of a cluster, one by one: two hundred dead ones would take minutes."""


PROXIED = Timeouts(read=timedelta(seconds=10))
"""Through the API server a request makes a second hop, with a handshake of its own."""

_ELSEWHERE = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
"""A dashboard without this API answers one of these: then it is on the agent's port."""
_RETRYABLE = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}


class ServeClient:
    """Talks to the Serve of any number of clusters; has no memory but the port that worked."""

    def __init__(
        self, transport: Transport, admission: Admission, timeouts: Timeouts | None = None
    ) -> None:
        self._transport = transport
        self._admission = admission
        self._timeouts = timeouts or Timeouts()
        self._ports: dict[str, tuple[tuple[str, int], int]] = {}

    async def report(self, cluster: ClusterAddress) -> ServeReport:
        """Ask for all applications and proxies.

        Raises:
            DashboardError: there is no usable answer.
        """
        path = f"{APPLICATIONS}?api_type=declarative"
        answer = await self._ask(cluster, Request("report", "GET", path, self._timeouts.read))
        try:
            document = orjson.loads(answer.body)
        except orjson.JSONDecodeError as error:
            raise _not_understood(cluster, answer) from error
        if not isinstance(document, dict):
            raise _not_understood(cluster, answer)
        return parse_report(document)

    async def deploy(self, cluster: ClusterAddress, config: bytes) -> None:
        """Put `config` (JSON) in the place of everything that is deployed.

        Ray imports the applications afterwards: a later report says whether that worked.

        Raises:
            RejectedError: Ray refuses this config.
            DashboardError: nothing is known of the outcome; sending it again is safe.
        """
        request = Request("deploy", "PUT", APPLICATIONS, self._timeouts.write, config)
        await self._ask(cluster, request)

    async def proxies_health(
        self, cluster: ClusterAddress, pods: Iterable[PodAddress]
    ) -> Mapping[PodAddress, ProxyHealth]:
        """Ask the Serve proxies of pods whether they take requests; never raises.

        Who could not be asked in time is left out: put first who was left out the last time.
        """

        async def ask(pod: PodAddress) -> ProxyHealth:
            return await self.proxy_health(cluster, pod)

        return await ask_round(pods, ask, self._timeouts.round)

    async def proxy_health(self, cluster: ClusterAddress, pod: PodAddress) -> ProxyHealth:
        """Ask the Serve proxy of one pod whether it takes requests; never raises."""
        request = Request("proxy_health", "GET", PROXY_HEALTH, self._timeouts.probe)
        try:
            answer = await self._ask_pod(cluster, Endpoint(pod, cluster.serve_port), request)
        except DashboardError as error:
            is_refused = error.trouble is Trouble.REFUSED
            return ProxyHealth.REFUSED if is_refused else ProxyHealth.SILENT
        return ProxyHealth.OK if answer.status == HTTPStatus.OK else ProxyHealth.DRAINING

    async def agent_answers(self, cluster: ClusterAddress) -> bool:
        """Tell whether the agent on the head answers anything; never raises."""
        endpoint = Endpoint(cluster.head, cluster.agent_port)
        try:
            async with self._admission.permission(cluster.uid):
                request = Request("agent_health", "GET", AGENT_HEALTH, self._timeouts.probe)
                answer = await self._transport.send(endpoint, request)
        except DashboardError:
            return False
        return answer.status < HTTPStatus.INTERNAL_SERVER_ERROR

    async def pages_of_metrics(self, cluster: ClusterAddress) -> Mapping[PodAddress, bytes]:
        """Return the pages of metrics that the cluster's pods showed in time; never raises."""

        async def ask(pod: PodAddress) -> bytes | None:
            request = Request("metrics", "GET", METRICS, self._timeouts.read)
            endpoint = Endpoint(pod, cluster.metrics_port)
            try:
                answer = await self._ask_pod(cluster, endpoint, request)
            except DashboardError:
                return None
            return answer.body if answer.status == HTTPStatus.OK else None

        pages = await ask_round(cluster.pods, ask, self._timeouts.round)
        return {pod: page for pod, page in pages.items() if page is not None}

    def forget(self, cluster_uid: str) -> None:
        """Drop what is remembered of a cluster that is gone."""
        self._ports.pop(cluster_uid, None)
        self._admission.forget(cluster_uid)
        self._admission.forget(_pods_of(cluster_uid))

    async def _ask(self, cluster: ClusterAddress, request: Request) -> Answer:
        known = self._ports.get(cluster.uid)
        if known is not None and known[0] == cluster.incarnation:
            return await self._ask_port(cluster, known[1], request)
        try:
            return await self._ask_port(cluster, cluster.dashboard_port, request)
        except DashboardError as error:
            if error.trouble not in {Trouble.NOT_FOUND, Trouble.REFUSED}:
                raise
            return await self._ask_agent(cluster, request, error)

    async def _ask_agent(
        self, cluster: ClusterAddress, request: Request, first: DashboardError
    ) -> Answer:
        try:
            return await self._ask_port(cluster, cluster.agent_port, request)
        except DashboardError as error:
            if error.trouble is Trouble.REFUSED:
                raise first from error  # the usual port's trouble is the one to report
            raise

    async def _ask_pod(
        self, cluster: ClusterAddress, endpoint: Endpoint, request: Request
    ) -> Answer:
        """Ask one of many pods: they share permissions, but none with the dashboard."""
        pods = _pods_of(cluster.uid)
        async with self._admission.permission(pods, PER_ROUND):
            try:
                answer = await self._transport.send(endpoint, request)
            except DashboardError as error:
                self._admission.answered(pods, well=error.trouble is not Trouble.TIMEOUT)
                raise
            self._admission.answered(pods, well=True)
        return answer

    async def _ask_port(self, cluster: ClusterAddress, port: int, request: Request) -> Answer:
        endpoint = Endpoint(cluster.head, port)
        async with self._admission.permission(cluster.uid):
            try:
                answer = await self._transport.send(endpoint, request)
            except DashboardError as error:
                is_answer = error.trouble is not Trouble.TIMEOUT
                self._admission.answered(cluster.uid, well=is_answer)
                raise
            self._admission.answered(cluster.uid, well=True)
        _judge(endpoint, answer)
        self._ports[cluster.uid] = (cluster.incarnation, port)
        return answer


def _pods_of(cluster_uid: str) -> tuple[str, str]:
    return cluster_uid, "pods"


def _judge(endpoint: Endpoint, answer: Answer) -> None:
    """Raise unless the answer is a success."""
    where = f"pod {endpoint.pod.name} port {endpoint.port}"
    match answer.status:
        case status if status < HTTPStatus.MULTIPLE_CHOICES:
            return
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise DashboardError(Trouble.UNAUTHORIZED, f"{where}: {answer.status} {answer.text}")
        case status if status in _ELSEWHERE:
            raise DashboardError(Trouble.NOT_FOUND, f"{where}: {answer.status} {answer.text}")
        case status if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and (
            status not in _RETRYABLE
        ):
            raise RejectedError(status, answer.text)
        case _:
            raise DashboardError(Trouble.SERVER_ERROR, f"{where}: {answer.status} {answer.text}")


def _not_understood(cluster: ClusterAddress, answer: Answer) -> DashboardError:
    start = answer.text[:100]
    return DashboardError(
        Trouble.SERVER_ERROR, f"pod {cluster.head.name}: the answer is not Serve's JSON: {start!r}"
    )
