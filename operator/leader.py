"""One process leads: a Lease, a pure decision, and a fence.

`decide` is the whole of the algorithm (client-go's leaderelection, KEP-589), a function of what the
Lease says, who we are, and our own monotonic clock: the holder's clock is never trusted, only the
time since *we* last saw the record change.  Wall-clock time is written, never read.

The elector runs in the side thread, so that a busy event loop can't make us lose the Lease, nor a
hung renewal stall the work.  The price: the work must not go on when the Lease is lost.  So each
write asks `Leadership.is_held` at the last moment, and that says no as soon as the renew deadline
has passed: 5 s before anybody else may take over, and whether or not the elector noticed.  A lead
that was not renewed in time is over for good, even if the Lease is free: somebody else may have led
meanwhile, and our caches would not know what they did.

Who waits looks twice as often as the leader renews, and at the moment at which the Lease runs out:
so a leader that dies is followed after the lease duration and a second.

A stop releases the Lease.  The identity is the pod's name: a container that was restarted in its
pod takes its own Lease back at once.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from ray_operator.operator import metrics
from ray_operator.operator.clock import Clock
from ray_operator.operator.complaints import Complaints
from ray_operator.operator.documents import (
    JsonObject,
    JsonValue,
    format_micro_time,
    get_int,
    get_object,
    get_text,
    get_time,
)
from ray_operator.operator.errors import AlreadyExists, Conflict, KubeError, NotFound
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube
from ray_operator.operator.logs import Logger
from ray_operator.operator.ratelimits import Backoff
from ray_operator.operator.resources import LEASES
from ray_operator.operator.standard_metrics import STANDARD_NAMES

log = Logger(__name__)

LEASE_NAME = "ray-operator-leader"
"""The peer's name: both in one namespace exclude each other."""

RELEASE = timedelta(seconds=2)
"""What a stop can spare for it: 25 s go to the keys in work, 2 s to events, of 30 s in all."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things last: client-go's values, which every cluster is used to.

    `lease` is what others wait after the last renewal that they saw; we stop writing after
    `renew_deadline`; a try every `retry_period`.
    """

    lease: timedelta = timedelta(seconds=15)
    renew_deadline: timedelta = timedelta(seconds=10)
    retry_period: timedelta = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Record:
    """What the Lease says; `holder` is "" after a release."""

    holder: str = ""
    lease: timedelta = timedelta()
    acquired: datetime | None = None
    renewed: datetime | None = None
    transitions: int = 0
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A record, and when (monotonic seconds) we first saw it like this."""

    record: Record
    at: float


class Decision(Enum):
    """What to do about the Lease now."""

    CREATE = auto()
    TAKE = auto()
    RENEW = auto()
    WAIT = auto()


def decide(seen: Sighting | None, me: str, now: float) -> Decision:
    """Return what `me` may do at monotonic time `now`; `None` means that there is no Lease."""
    if seen is None:
        return Decision.CREATE
    if seen.record.holder == me:
        return Decision.RENEW
    if not seen.record.holder or now >= seen.at + seen.record.lease.total_seconds():
        return Decision.TAKE
    return Decision.WAIT


class Leadership:
    """Whether this process may write, as both threads see it.

    A single float, replaced as a whole, carries the answer from the elector's thread: no lock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = float("-inf")

    def is_held(self) -> bool:
        """Tell whether a write may leave now."""
        return self._clock.monotonic() < self._until

    def extend(self, until: float) -> None:
        """Hold until the monotonic time `until`, or no more if that has passed."""
        self._until = until
        metrics.LEADER.set(self.is_held())


class Elector:
    """Acquires and renews the Lease; lives in the side thread's event loop.

    Args:
        kube: a connection of its own, without rate limit and fence.
        namespace: where the Lease stands.
        me: our identity.
        leadership: told of every renewal.
        clock: monotonic time decides, wall-clock time is written.
        terms: the durations.
    """

    def __init__(  # noqa: PLR0913 - wired once, in main.py
        self,
        kube: Kube,
        namespace: str,
        me: str,
        leadership: Leadership,
        clock: Clock,
        *,
        terms: Terms | None = None,
    ) -> None:
        self.previous_renewal: datetime | None = None
        """When any operator last renewed before we took over: how long nobody was at work."""
        self._kube = kube
        self._key = Key(namespace, LEASE_NAME)
        self._me = me
        self._leadership = leadership
        STANDARD_NAMES.lease = LEASE_NAME
        self._clock = clock
        self._terms = terms or Terms()
        self._seen: Sighting | None = None
        self._complaints = Complaints(clock)
        period = self._terms.retry_period
        self._pause = Backoff(period, period, jitter=0.2)
        self._look = Backoff(period / 2, period / 2, jitter=0.2)

    async def acquire(self) -> None:
        """Wait until we hold the Lease."""
        while not await self._try():
            await self._clock.sleep(self._until_next_look())
        log.info("leads", lease=str(self._key), identity=self._me)

    async def keep(self) -> None:
        """Renew until the Lease is lost; return then."""
        deadline = self._clock.monotonic() + self._terms.renew_deadline.total_seconds()
        while self._clock.monotonic() < deadline:
            await self._clock.sleep(self._pause.delay(1))
            started = self._clock.monotonic()
            if started >= deadline:
                break  # we were frozen: see above
            if await self._try():
                deadline = started + self._terms.renew_deadline.total_seconds()
            elif self._seen and self._seen.record.holder not in {self._me, ""}:
                break
        self._leadership.extend(float("-inf"))
        log.error("lost the lead", lease=str(self._key), identity=self._me)

    async def release(self) -> None:
        """Give the Lease up, so that another replica leads at once; call when all work is done."""
        self._leadership.extend(float("-inf"))
        try:
            async with asyncio.timeout(RELEASE.total_seconds()):
                await self._give_up()
        except (KubeError, TimeoutError) as error:
            text = str(error) or "time-out"
            log.warning("the lease could not be released; another waits it out", error=text)

    def _until_next_look(self) -> timedelta:
        look = self._look.delay(1)
        if self._seen is None:
            return look
        ends = self._seen.at + self._seen.record.lease.total_seconds()
        left = timedelta(seconds=ends - self._clock.monotonic())
        return min(look, left) if left > timedelta() else look

    async def _give_up(self) -> None:
        while (record := await self._read()) is not None and record.holder == self._me:
            # One second, because the API server refuses a lease of zero.
            free = replace(record, holder="", lease=timedelta(seconds=1))
            try:
                await self._put(free)
            except Conflict:
                continue  # our last renewal, under way when the stop came, has just arrived
            log.info("released the lead", lease=str(self._key))
            return

    async def _try(self) -> bool:
        """Look at the Lease and do what may be done; tell whether we hold it."""
        started = self._clock.monotonic()
        try:
            # The deadline bounds a request that hangs: a later success would come too late.
            async with asyncio.timeout(self._terms.renew_deadline.total_seconds()):
                held = await self._look_and_act()
        except (KubeError, TimeoutError) as error:
            if self._complaints.is_due():
                log.warning("the lease can't be read or written", error=str(error) or "time-out")
            return False
        self._complaints.end()
        if held:
            # Counted from before the request: others count from when they see the renewal.
            self._leadership.extend(started + self._terms.renew_deadline.total_seconds())
        return held

    async def _look_and_act(self) -> bool:
        self._see(await self._read())
        decision = decide(self._seen, self._me, self._clock.monotonic())
        if decision is Decision.WAIT:
            return False
        now = self._clock.now()
        old = self._seen.record if self._seen else Record()
        mine = replace(old, holder=self._me, lease=self._terms.lease, renewed=now)
        if decision is not Decision.RENEW:
            mine = replace(mine, acquired=now, transitions=old.transitions + bool(old.renewed))
        if not self._leadership.is_held():
            self.previous_renewal = old.renewed
        try:
            await (self._create(mine) if decision is Decision.CREATE else self._put(mine))
        except (AlreadyExists, Conflict):
            return False  # somebody was faster
        return True

    def _see(self, record: Record | None) -> None:
        if record is None:
            self._seen = None
        elif self._seen is None or self._seen.record.resource_version != record.resource_version:
            self._seen = Sighting(record, self._clock.monotonic())

    async def _read(self) -> Record | None:
        try:
            return read_record(await self._kube.get(LEASES, self._key))
        except NotFound:
            return None

    async def _create(self, record: Record) -> None:
        written = await self._kube.create(LEASES, _manifest(self._key, record))
        self._see(read_record(written.document))

    async def _put(self, record: Record) -> None:
        written = await self._kube.replace(LEASES, self._key, _manifest(self._key, record))
        self._see(read_record(written.document))


def read_record(lease: JsonObject) -> Record:
    """Read a Lease, whoever wrote it."""
    spec = get_object(lease, "spec")
    return Record(
        holder=get_text(spec, "holderIdentity"),
        lease=timedelta(seconds=get_int(spec, "leaseDurationSeconds")),
        acquired=get_time(spec, "acquireTime"),
        renewed=get_time(spec, "renewTime"),
        transitions=get_int(spec, "leaseTransitions"),
        resource_version=get_text(get_object(lease, "metadata"), "resourceVersion"),
    )


def _manifest(key: Key, record: Record) -> JsonObject:
    spec: dict[str, JsonValue] = {
        "holderIdentity": record.holder,
        "leaseDurationSeconds": round(record.lease.total_seconds()),
        "leaseTransitions": record.transitions,
    }
    if record.acquired:
        spec["acquireTime"] = format_micro_time(record.acquired)
    if record.renewed:
        spec["renewTime"] = format_micro_time(record.renewed)
    metadata: dict[str, JsonValue] = {"namespace": key.namespace, "name": key.name}
    if record.resource_version:
        metadata["resourceVersion"] = record.resource_version
    return {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": metadata,
        "spec": spec,
    }
