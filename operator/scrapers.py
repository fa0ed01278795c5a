"""Who may read the metrics: whoever the API server says may `get` the URL /metrics.

As controller-runtime's secure metrics: the bearer token is shown to the API server (TokenReview),
and the user whom it names is asked about (SubjectAccessReview).  What it said is remembered for a
while, by the token's hash: the token itself is neither kept nor logged.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from ray_operator.operator.clock import Clock
from ray_operator.operator.documents import JsonObject, get_flag, get_object, get_text
from ray_operator.operator.errors import KubeError
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.logs import Logger
from ray_operator.operator.resources import ACCESS_REVIEWS, TOKEN_REVIEWS

log = Logger(__name__)

TRUSTED_FOR = timedelta(seconds=60)
"""How long a permission that was withdrawn goes on working, at most."""
REFUSED_FOR = timedelta(seconds=10)
"""How long one that was granted meanwhile does not work yet, at most."""
REMEMBERED = 128
"""Tokens; Prometheus has one or two, and nobody else shall fill the memory."""

PATIENCE = timedelta(seconds=8)
"""Prometheus itself waits 10 s for an answer."""

QPS, BURST = 10.0, 20
"""Questions a second to the API server: who sends made-up tokens can't make us flood it."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    status: HTTPStatus
    expiry: float


class Scrapers:
    """Judges requests for the metrics; belongs to the event loop in which it was opened."""

    def __init__(self, options: KubeOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._known: dict[bytes, _Verdict] = {}
        self._kube: Kube | None = None

    async def open(self) -> None:
        """Connect; nothing is sent yet."""
        self._kube = await Kube.connect(self._options, self._clock)

    async def close(self) -> None:
        """Close the connections."""
        if self._kube is not None:
            await self._kube.close()

    async def judge(self, authorization: str) -> HTTPStatus:
        """Return 200, or what to answer instead: 401, 403, or 503 if nobody can tell."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        is_token = scheme.lower() == "bearer" and token != "" and token.isascii()
        if not is_token or self._kube is None:
            return HTTPStatus.UNAUTHORIZED
        name = hashlib.sha256(token.encode()).digest()
        known = self._known.get(name)
        if known is not None and known.expiry > self._clock.monotonic():
            return known.status
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                status = await self._ask(self._kube, token)
        except (KubeError, TimeoutError) as error:
            log.warning(
                "who may read the metrics can't be asked", error=str(error) or "no answer in time"
            )
            return HTTPStatus.SERVICE_UNAVAILABLE
        self._remember(name, status)
        return status

    async def _ask(self, kube: Kube, token: str) -> HTTPStatus:
        review: JsonObject = {
            "apiVersion": TOKEN_REVIEWS.api_version,
            "kind": TOKEN_REVIEWS.kind,
            "spec": {"token": token},
        }
        answer = await kube.create(TOKEN_REVIEWS, review, repeatable=True)
        status = get_object(answer.document, "status")
        if not get_flag(status, "authenticated"):
            return HTTPStatus.UNAUTHORIZED
        user = get_object(status, "user")
        is_allowed = await _may_read(kube, user)
        if not is_allowed:
            log.debug("a scrape was refused", user=get_text(user, "username"))
        return HTTPStatus.OK if is_allowed else HTTPStatus.FORBIDDEN

    def _remember(self, name: bytes, status: HTTPStatus) -> None:
        now = self._clock.monotonic()
        if len(self._known) >= REMEMBERED:
            self._known = {key: known for key, known in self._known.items() if known.expiry > now}
        while len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        lasts = TRUSTED_FOR if status is HTTPStatus.OK else REFUSED_FOR
        self._known[name] = _Verdict(status, now + lasts.total_seconds())


async def _may_read(kube: Kube, user: JsonObject) -> bool:
    review: JsonObject = {
        "apiVersion": ACCESS_REVIEWS.api_version,
        "kind": ACCESS_REVIEWS.kind,
        "spec": {
            "user": get_text(user, "username"),
            "uid": get_text(user, "uid"),
            "groups": user.get("groups"),
            "extra": user.get("extra"),
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        },
    }
    answer = await kube.create(ACCESS_REVIEWS, review, repeatable=True)
    return get_flag(get_object(answer.document, "status"), "allowed")
