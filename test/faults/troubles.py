"""The ways in which a scenario may go wrong: which faults strike, where, and when in a life.

Most faults meet an operator that runs.  Some can only be met by one that starts: then a user acts
while there is no operator, and the next one meets the fault.  A kill ends one life and begins the
next.  Each way tells whether its fault had its chance.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from faults.comparison import State
from faults.exchange import Asked
from faults.faults import (
    BareStatus,
    CutAnswer,
    CutInMidChunk,
    CutRequest,
    Delay,
    EmptyStream,
    ErrorEvent,
    ExpiredPage,
    Fault,
    Garbage,
    HiddenEvent,
    Lag,
    LostAnswer,
    LostRequest,
    OldEventsAgain,
    Refusal,
    RefusalAfterwards,
    RepeatEvents,
    Silence,
    SmallPieces,
    StaleList,
    on,
    on_first_list,
    on_watch_from,
)
from faults.scenarios import Scenario
from faults.stopper import Kill, KillAfter, KillBefore
from faults.world import World
from ray_operator.controllers.kinds import RAYCLUSTERS
from ray_operator.operator.documents import JsonObject
from ray_operator.operator.resources import PODS, Resource

WATCHED = (PODS, RAYCLUSTERS)
"""The kinds that decide what is made."""
_READS = frozenset({"get", "list"})
BEYOND = 2
"""A disturbed run may write a little more than the quiet one: so many more positions are tried."""
HEAD_START_SECONDS = 0.5
"""By then what a user does has arrived, unless it waits for the operator."""
OUTAGE = 8
"""Refusals in a row: more than a request is repeated, so that the queue's back-off is needed."""

Way = Callable[[Scenario, World, State], Awaitable[bool]]
Pasts = dict[Resource, JsonObject]
"""What lists said before the user acted."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One way to go through a scenario: `fault` is its row in the table, `detail` where it struck.

    `go` raises AssertionError if the end is not the wanted one.
    """

    fault: str
    detail: str
    go: Way

    def __str__(self) -> str:
        return f"{self.fault}, {self.detail}"


# -- the ways


def live(make: Callable[[], Fault]) -> Way:
    """Meet the fault while running."""

    async def go(scenario: Scenario, world: World, end: State) -> bool:
        await world.start_and_watch()
        await scenario.prepare(world)
        fault = world.proxy.inject(make())
        await scenario.act(world)
        await world.until_state(end)
        return bool(fault.acted)

    return go


def starting(make: Callable[[Pasts], Fault], *, by_pages: bool = False) -> Way:
    """Meet the fault when starting, after a user has acted unattended."""

    async def go(scenario: Scenario, world: World, end: State) -> bool:
        await world.start_and_watch()
        await scenario.prepare(world)
        pasts = await _pasts(world)
        await world.kill()
        world.lists_by_pages = by_pages
        act = asyncio.ensure_future(scenario.act(world))
        await asyncio.wait({act}, timeout=HEAD_START_SECONDS)
        fault = make(pasts)
        await world.start(fault)
        await act
        await world.until_state(end)
        return bool(fault.acted)

    return go


def killed(make: Callable[[], Kill], then: Callable[[Pasts], tuple[Fault, ...]]) -> Way:
    """Be killed in the middle; the next operator meets the faults of `then`."""

    async def go(scenario: Scenario, world: World, end: State) -> bool:
        await world.start_and_watch()
        await scenario.prepare(world)
        pasts = await _pasts(world)
        kill = world.proxy.inject(make())
        succession = asyncio.create_task(_succeed(world, kill, then(pasts)), name="succession")
        try:
            await scenario.act(world)
            await world.until_state(end)
            if kill.acted:
                await succession
                await world.until_state(end)
        finally:
            succession.cancel()
        return bool(kill.acted)

    return go


async def _succeed(world: World, kill: Kill, faults: tuple[Fault, ...]) -> None:
    await kill.died.wait()
    await world.kill()
    await world.start(*faults)


async def _pasts(world: World) -> Pasts:
    return {resource: await world.past(resource) for resource in WATCHED}


# -- what is tried


def kills(quiet: Sequence[Asked]) -> Iterator[Trouble]:
    """Killed before and after each write."""
    writes = sum(asked.is_write for asked in quiet)
    for nth in range(1, writes + BEYOND + 1):
        where = f"at write {nth}"
        before, after = _kill_at(KillBefore, nth), _kill_at(KillAfter, nth)
        yield Trouble("kills before the N-th write", where, killed(before, lambda _: ()))
        yield Trouble("kills after the N-th write", where, killed(after, lambda _: ()))
        yield Trouble(
            "kills after the N-th write, then lists the past", where, killed(after, _old_pods)
        )


def requests(quiet: Sequence[Asked]) -> Iterator[Trouble]:
    """Each fault of a request, at each kind of request that the scenario takes."""
    places = {(a.verb, a.resource, a.subresource) for a in quiet if a.is_write or a.verb in _READS}
    for verb, resource, subresource in sorted(places):
        what = f"{verb} {resource}/{subresource}".rstrip("/")
        for make in _REQUESTS:
            yield _live(make, on(verb, resource, subresource), 0, f"first {what}")
        if verb in {"create", "delete"} and resource == "pods":
            for make in _REQUESTS:
                yield _live(make, on(verb, resource, subresource), 1, f"second {what}")
    for status in (429, 500, 503) if places else ():
        outage = _outage(status)
        yield Trouble(outage().sentence, "to all but watches", live(outage))


def streams(_quiet: Sequence[Asked]) -> Iterator[Trouble]:
    """Each fault of a watch, at the events that matter."""
    for resource, positions in ((PODS, (1, 3)), (RAYCLUSTERS, (1,))):
        where, plural = on("watch", resource.plural), resource.plural
        for nth in positions:
            for make in _LINES:
                yield _live(make, where, nth - 1, f"event {nth} of {plural}")
        for make in _ALL_LINES:
            yield _live(make, where, 0, f"all events of {plural}")


def starts(_quiet: Sequence[Asked]) -> Iterator[Trouble]:
    """Each fault of a start: of the first list, and of the watch that follows on from it."""
    for resource in WATCHED:
        plural = resource.plural
        for fault in _STARTS:
            make = _at_start(fault, resource)
            yield Trouble(make({}).sentence, f"first list of {plural}, streamed", starting(make))
        for fault in _STARTS_BY_PAGES:
            make = _at_start(fault, resource)
            way = starting(make, by_pages=True)
            yield Trouble(make({}).sentence, f"first list of {plural}, by pages", way)
        for follow in _FOLLOWS:
            make = _follow(follow, resource)
            yield Trouble(make({}).sentence, f"first watch of {plural}", starting(make))
    page = ExpiredPage(PODS.plural)
    way = starting(lambda _: ExpiredPage(PODS.plural), by_pages=True)
    yield Trouble(page.sentence, f"first list of {PODS.plural}, by pages", way)


Family = Callable[[Sequence[Asked]], Iterator[Trouble]]
FAMILIES: tuple[Family, ...] = (kills, requests, streams, starts)

_Make = Callable[[Callable[[Asked], bool], int], Fault]

_REQUESTS: tuple[_Make, ...] = (
    lambda where, skip: Refusal(429, where, skip=skip, retry_after_seconds=1),
    lambda where, skip: Refusal(500, where, skip=skip),
    lambda where, skip: Refusal(401, where, skip=skip),
    lambda where, skip: RefusalAfterwards(where, skip=skip),
    lambda where, skip: LostRequest(where, skip=skip),
    lambda where, skip: LostAnswer(where, skip=skip),
    lambda where, skip: CutRequest(where, skip=skip),
    lambda where, skip: CutAnswer(where, skip=skip),
    lambda where, skip: Delay(where, skip=skip),
)
_LINES: tuple[_Make, ...] = (
    lambda where, skip: Silence(where, skip=skip),
    lambda where, skip: CutInMidChunk(where, skip=skip),
    lambda where, skip: Garbage(where, skip=skip),
    lambda where, skip: ErrorEvent(where, skip=skip),
    lambda where, skip: BareStatus(where, skip=skip),
    lambda where, skip: HiddenEvent(where, skip=skip, types=("ADDED",)),
    lambda where, skip: HiddenEvent(where, skip=skip, types=("MODIFIED",)),
    lambda where, skip: HiddenEvent(where, skip=skip, types=("DELETED",)),
)
_ALL_LINES: tuple[_Make, ...] = (
    lambda where, _: RepeatEvents(where),
    lambda where, _: OldEventsAgain(where),
    lambda where, _: Lag(where),
    lambda where, _: SmallPieces(where),
)
_AtStart = Callable[[Callable[[Asked], bool], JsonObject], Fault]
_STARTS: tuple[_AtStart, ...] = (
    lambda where, _: Refusal(410, where),
    lambda where, _: Refusal(429, where, retry_after_seconds=1),
    lambda where, _: Refusal(500, where, times=2),
    lambda where, _: Refusal(401, where),
    lambda where, _: LostRequest(where),
    lambda where, _: CutRequest(where),
    lambda where, _: EmptyStream(where),
    StaleList,
)
_STARTS_BY_PAGES: tuple[_AtStart, ...] = (
    lambda where, _: Refusal(410, where),
    lambda where, _: CutAnswer(where),
    StaleList,
)
_FOLLOWS: tuple[Callable[[Callable[[Asked], bool]], Fault], ...] = (
    lambda where: Refusal(410, where, times=2),
    EmptyStream,
    LostRequest,
)


def _live(make: _Make, where: Callable[[Asked], bool], skip: int, detail: str) -> Trouble:
    def fault() -> Fault:
        return make(where, skip)

    return Trouble(fault().sentence, detail, live(fault))


def _kill_at(kill: type[KillBefore] | type[KillAfter], nth: int) -> Callable[[], Kill]:
    return lambda: kill(nth)


def _old_pods(pasts: Pasts) -> tuple[Fault, ...]:
    return (StaleList(on_first_list(PODS.plural), pasts[PODS]),)


def _outage(status: int) -> Callable[[], Fault]:
    def make() -> Fault:
        fault = Refusal(status, lambda asked: asked.verb != "watch", times=OUTAGE)
        fault.sentence += " for a while"
        return fault

    return make


def _at_start(fault: _AtStart, resource: Resource) -> Callable[[Pasts], Fault]:
    where = on_first_list(resource.plural)
    return lambda pasts: fault(where, pasts.get(resource, {}))


def _follow(
    fault: Callable[[Callable[[Asked], bool]], Fault], resource: Resource
) -> Callable[[Pasts], Fault]:
    where = on_watch_from(resource.plural)
    return lambda _: fault(where)
