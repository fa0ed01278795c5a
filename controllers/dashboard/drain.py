"""Does a cluster that left the traffic still answer requests: its proxies' own gauges say.

Each Serve proxy counts the requests that it holds and shows them on the pod's metrics port.  A
cluster is idle when `LOOKS` scrapes in a row, `BETWEEN` apart, found none.  One whose gauges cannot
be had for `PATIENCE` counts as idle, too: a broken exporter must not keep a cluster for ever.
"""

import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from ray_operator.controllers.dashboard.address import ClusterAddress
from ray_operator.controllers.dashboard.client import ServeClient
from ray_operator.operator.clock import Clock

LOOKS = 2
BETWEEN = timedelta(seconds=2)
PATIENCE = timedelta(seconds=30)

_GAUGE = re.compile(
    rb"^ray_serve_num_ongoing_(?:http|grpc)_requests(?:\{[^\n]*\})? (\S+)", re.MULTILINE
)


def ongoing_requests(metrics: bytes) -> float | None:
    """Add up the gauges of ongoing requests in a page of Prometheus text.

    None if one of them is no finite number: then nobody knows.
    """
    try:
        total = sum(float(value) for value in _GAUGE.findall(metrics))
    except ValueError:
        return None
    return total if math.isfinite(total) else None


class Drain:
    """Watches one cluster's proxies until they are idle.

    Args:
        told: called without arguments when the cluster has become idle.
    """

    def __init__(self, client: ServeClient, clock: Clock, told: Callable[[], None]) -> None:
        self.is_idle = False
        self._client = client
        self._clock = clock
        self._told = told
        self._quiet_looks = 0
        self._answered_at: datetime | None = None
        self.address: ClusterAddress | None = None

    async def run(self) -> None:
        """Look until the cluster is idle, or until cancelled."""
        self._answered_at = self._clock.now()
        while not self.is_idle:
            await self._look()
            if not self.is_idle:
                await self._clock.sleep(BETWEEN)
        self._told()

    async def _look(self) -> None:
        address = self.address
        if address is None:
            return
        pages = await self._client.pages_of_metrics(address)
        counts = [ongoing_requests(page) for page in pages.values()]
        known = [count for count in counts if count is not None]
        now = self._clock.now()
        if known:
            self._answered_at = now
        self._quiet_looks = self._quiet_looks + 1 if known and not any(known) else 0
        is_given_up = self._answered_at is not None and now - self._answered_at >= PATIENCE
        self.is_idle = self._quiet_looks >= LOOKS or is_given_up
