"""The election as the work sees it: the elector itself lives in the side thread."""

import asyncio
from datetime import datetime
from typing import Self

from ray_operator.operator.clock import Clock
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.leader import Elector, Leadership, Terms
from ray_operator.operator.logs import Logger
from ray_operator.operator.sidethread import SideThread

log = Logger(__name__)


class Election:
    """Stands for the lead inside `async with`; leaving it releases the Lease.

    Leave it only when the last write has been sent: another process may lead from then on.

    Args:
        side: runs the elector.
        options: how to connect; the elector's connection is its own, so that no write delays it.
        namespace: where the Lease stands.
        identity: who we are.
        clock: shared by both threads.
        terms: the durations, if not the usual ones.
    """

    def __init__(  # noqa: PLR0913 - wired once
        self,
        side: SideThread,
        options: KubeOptions,
        namespace: str,
        identity: str,
        clock: Clock,
        *,
        terms: Terms | None = None,
    ) -> None:
        self.leadership = Leadership(clock)
        self._side = side
        self._options = options
        self._namespace = namespace
        self._identity = identity
        self._clock = clock
        self._terms = terms
        self._keeping: asyncio.Future[None] | None = None

    @property
    def previous_renewal(self) -> datetime | None:
        """When any process last renewed the Lease before we took it."""
        return self._elector.previous_renewal

    async def acquire(self) -> "asyncio.Future[None]":
        """Wait until we lead; the future is done when we no longer do."""
        await self._side.run(self._elector.acquire())
        self._keeping = asyncio.wrap_future(self._side.start(self._elector.keep()))
        self._keeping.add_done_callback(_tell_of_failure)
        return self._keeping

    async def __aenter__(self) -> Self:
        self._kube, self._elector = await self._side.run(self._prepare())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        await self._side.run(self._elector.release())
        await self._side.run(self._kube.close())

    async def _prepare(self) -> tuple[Kube, Elector]:
        kube = await Kube.connect(self._options, self._clock)
        elector = Elector(
            kube,
            self._namespace,
            self._identity,
            self.leadership,
            self._clock,
            terms=self._terms,
        )
        return kube, elector


def _tell_of_failure(keeping: "asyncio.Future[None]") -> None:
    """Whoever waits for the end of the lead does not ask why it came."""
    error = None if keeping.cancelled() else keeping.exception()
    if error is not None:
        log.error("the election failed, which ends the lead", error=repr(error))
