"""Looks at one cluster's Ray again and again, and tells when it says something new.

A single lost answer is no news: the last report stands until `TOLERATED` looks in a row failed.
While Ray's dashboard is silent, the Serve proxies of the pods are asked one by one instead, because
they may well serve on without their head.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ray_operator.controllers.dashboard.address import ClusterAddress, PodAddress
from ray_operator.controllers.dashboard.breaker import Breaker
from ray_operator.controllers.dashboard.client import ServeClient
from ray_operator.controllers.dashboard.errors import DashboardError, RejectedError, Trouble
from ray_operator.controllers.dashboard.observation import Failure, Observation
from ray_operator.controllers.dashboard.reports import ProxyHealth, ServeReport
from ray_operator.operator.clock import Clock

TOLERATED = 2
"""Failed looks in a row that leave the last report standing; three at 2 s are an outage."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How closely a cluster is watched.

    `probes_proxies` asks the Serve proxies themselves, too: only a switch of traffic wants to know.
    """

    interval: timedelta
    probes_proxies: bool


AT_REST = Pace(timedelta(seconds=5), probes_proxies=False)
IN_TRANSITION = Pace(timedelta(seconds=2), probes_proxies=True)


class Poller:
    """One cluster's looks.  `change` and `void` may be called at any time.

    Args:
        told: called without arguments after each look that said something new.
        chance: numbers in [0, 1), for the jitter of the breaker.
    """

    def __init__(
        self,
        client: ServeClient,
        clock: Clock,
        told: Callable[[], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.observation: Observation | None = None
        self.baseline: ServeReport | None = None
        self._client = client
        self._clock = clock
        self._told = told
        self._chance = chance
        self._breaker = Breaker()
        self._failures = 0
        self._agent_failures = 0
        self._answered_at: datetime | None = None
        self._epoch = 0
        self._awaits_baseline = False
        self._wake = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._proxies: Mapping[PodAddress, ProxyHealth] = {}
        self._address: ClusterAddress | None = None
        self._pace = AT_REST

    @property
    def is_left_alone(self) -> bool:
        """Whether the cluster failed so often that pauses are kept between looks."""
        return self._breaker.is_open

    def change(self, address: ClusterAddress, pace: Pace) -> None:
        """Say where to look from now on and how often; a new head voids what the old one said."""
        old = self._address
        is_faster = pace.interval < self._pace.interval
        self._address, self._pace = address, pace
        if old is None:
            return
        if old.incarnation != address.incarnation:
            self._breaker = Breaker()
            self._answered_at = None
            self.void()
        elif address.is_head_ready and not old.is_head_ready:
            self._breaker = Breaker()  # what failed while it came up does not count
            self._wake.set()
        elif is_faster:
            self._wake.set()

    def void(self, *, has_submitted: bool = False) -> None:
        """Forget the last report, and whatever is being asked right now; look again at once.

        `has_submitted` says that the next report is the first one about a new config.
        """
        self._epoch += 1
        self._failures = 0
        self.observation = None
        self.baseline = None
        self._awaits_baseline = has_submitted
        self._proxies = {}
        if self._looking is not None:
            self._looking.cancel()
        self._wake.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._wake.clear()
            await self._look_while_worthwhile()
            await self._rest()

    async def _look_while_worthwhile(self) -> None:
        """Look once; `void` ends that."""
        look = self._looking = asyncio.create_task(self._look(), name="dashboard-look")
        try:
            await asyncio.wait({look})
        except asyncio.CancelledError:
            look.cancel()
            await asyncio.wait({look})
            raise
        finally:
            self._looking = None
        if not look.cancelled():
            look.result()

    async def _look(self) -> None:
        address = self._address
        if address is None or not self._breaker.allows(self._clock.monotonic()):
            return
        epoch, asked_at = self._epoch, self._clock.now()
        seen = await self._ask(address, asked_at)
        if epoch != self._epoch or seen is None:
            return  # asked of another head, or before the last submission
        if self._awaits_baseline and seen.report is not None:
            self.baseline, self._awaits_baseline = seen.report, False
        is_news = not seen.says_the_same_as(self.observation)
        self.observation = seen
        if is_news:
            self._told()

    async def _ask(self, address: ClusterAddress, asked_at: datetime) -> Observation | None:
        """Return what is to be seen, None while a lost answer is tolerated."""
        try:
            report = await self._client.report(address)
        except (DashboardError, RejectedError) as error:
            return await self._after_failure(address, asked_at, _failure(error))
        self._failures = 0
        self._breaker = self._breaker.after_success()
        self._answered_at = asked_at
        probed = _with_healthy_proxy(report, address) if self._pace.probes_proxies else ()
        proxies = await self._ask_proxies(address, probed)
        await self._ask_agent(address)
        return Observation(
            asked_at,
            asked_at,
            report=report,
            proxies=proxies,
            is_agent_silent=self._agent_failures > TOLERATED,
        )

    async def _ask_agent(self, address: ClusterAddress) -> None:
        is_there = await self._client.agent_answers(address)
        self._agent_failures = 0 if is_there else self._agent_failures + 1

    async def _after_failure(
        self, address: ClusterAddress, asked_at: datetime, failure: Failure
    ) -> Observation | None:
        self._failures += 1
        self._breaker = self._breaker.after_failure(self._clock.monotonic(), self._chance())
        if self.observation is not None and self._failures <= TOLERATED:
            return None
        proxies = await self._ask_proxies(address, address.pods)
        return Observation(asked_at, self._answered_at, failure=failure, proxies=proxies)

    async def _ask_proxies(
        self, address: ClusterAddress, pods: tuple[PodAddress, ...]
    ) -> Mapping[str, ProxyHealth]:
        """Ask each pod's proxy; of those that there was no time for, the last answer stands."""
        turns = {pod: turn for turn, pod in enumerate(self._proxies)}
        waiting = sorted(pods, key=lambda pod: turns.get(pod, -1))
        answers = await self._client.proxies_health(address, waiting)
        # In the order of their age: who was not asked in this look comes first in the next.
        unasked = {pod: self._proxies[pod] for pod in waiting if pod in turns.keys() - answers}
        self._proxies = {**unasked, **answers}
        return {pod.name: health for pod, health in self._proxies.items()}

    async def _rest(self) -> None:
        woken = asyncio.create_task(self._wake.wait(), name="dashboard-woken")
        slept = asyncio.create_task(self._clock.sleep(self._pace.interval), name="dashboard-slept")
        try:
            await asyncio.wait({woken, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (woken, slept):
                task.cancel()


def _with_healthy_proxy(report: ServeReport, address: ClusterAddress) -> tuple[PodAddress, ...]:
    healthy = {proxy.node_ip for proxy in report.proxies if proxy.is_healthy}
    return tuple(pod for pod in address.pods if pod.ip in healthy)


def _failure(error: DashboardError | RejectedError) -> Failure:
    match error:
        case DashboardError():
            return Failure(error.trouble, error.message)
        case RejectedError():
            return Failure(Trouble.SERVER_ERROR, str(error))
