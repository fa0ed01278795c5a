"""What is tried with RayServices: scenarios with faults, as combinations that can be played.

The operator is killed around every write.  Of the other faults each meets each scenario, and every
place (a write, a kind's watch, a call of Ray) meets some fault in each scenario; not every fault
meets every place in every scenario, because that would take half an hour: they take turns.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from faults.faults import (
    BareStatus,
    CutAnswer,
    CutInMidChunk,
    CutRequest,
    Delay,
    EmptyStream,
    ErrorEvent,
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
    Where,
    on,
    on_first_list,
    on_watch_from,
    on_writes,
)
from faults.service_play import Came, Plays
from faults.service_scenarios import SCENARIOS
from faults.stopper import KillAfter, KillBefore
from ray_operator.controllers.kinds import RAYCLUSTERS, RAYSERVICES
from ray_operator.operator.documents import JsonObject
from ray_operator.operator.resources import ENDPOINTSLICES, PODS, SERVICES, Resource
from support.dashboard import Disturbance, Mode

WATCHED = (RAYSERVICES, RAYCLUSTERS, PODS, SERVICES, ENDPOINTSLICES)
MOVING: Mapping[str, Sequence[Resource]] = {
    "config": (RAYSERVICES, RAYCLUSTERS),
    "add group": (RAYSERVICES, RAYCLUSTERS, PODS, ENDPOINTSLICES),
    "scale": (RAYSERVICES, RAYCLUSTERS, PODS, ENDPOINTSLICES),
}
"""The kinds of which something changes; in the other scenarios, all."""
LONGEST = "upgrade"
"""Tried with every fault of a watch and a list at two kinds."""
T = TypeVar("T")

OUTAGE = 3
"""Calls of Ray: the first two that fail are forgiven."""


@dataclass(frozen=True, slots=True)
class Combination:
    """One play. `fault` is a row of the table, `place` tells the plays of one cell apart."""

    scenario: str
    fault: str
    place: str
    play: Callable[[], Awaitable[Came]]

    def __str__(self) -> str:
        return f"{self.scenario}: {self.fault}, {self.place}"


def kills(plays: Plays) -> Iterator[Combination]:
    """The operator is killed before and after each write."""
    for name in SCENARIOS:
        for number, write in enumerate(plays.endings[name].writes, start=1):
            place = f"{number}: {write}"
            before = partial(plays.killed, name, KillBefore(number))
            after = partial(plays.killed, name, KillAfter(number))
            yield Combination(name, "killed before a write", place, before)
            yield Combination(name, "killed after a write", place, after)


def requests(plays: Plays) -> Iterator[Combination]:
    """Each fault of a request at some write, and some fault at each write."""
    turn = 0
    for name in SCENARIOS:
        writes = plays.endings[name].writes
        for number in range(max(len(writes), len(_REQUESTS)) if writes else 0):
            nth = number % len(writes)
            fault = _REQUESTS[turn % len(_REQUESTS)](on_writes, nth)
            play = partial(plays.faulted, name, fault)
            yield Combination(name, fault.sentence, f"write {nth + 1}: {writes[nth]}", play)
            turn += 1


def streams(plays: Plays) -> Iterator[Combination]:
    """Each fault of a watch that is open or is opened again."""
    turn = 0
    for name in SCENARIOS:
        for make in (*_LINES, *_WATCHES):
            for kind in _turns(MOVING.get(name, WATCHED), turn, 2 if name == LONGEST else 1):
                where, reopens = on("watch", kind.plural), None
                if make in _WATCHES:
                    where, reopens = on_watch_from(kind.plural), where
                fault = make(where, 0)
                play = partial(plays.faulted, name, fault, reopens)
                yield Combination(name, fault.sentence, f"watch of {kind.plural}", play)
                turn += 1


def starts(plays: Plays) -> Iterator[Combination]:
    """Each fault of the list that fills a cache of an operator that starts."""
    turn = 0
    for name in SCENARIOS:
        for make in _STARTS:
            for kind in _turns(WATCHED, turn, 2 if name == LONGEST else 1):
                at = partial(make, on_first_list(kind.plural))
                play = partial(plays.faulted_at_start, name, at, kind)
                yield Combination(name, at({}).sentence, f"first list of {kind.plural}", play)
                turn += 1


def dashboards(plays: Plays) -> Iterator[Combination]:
    """At each call, one of the ways in which Ray misbehaves, for a call or an outage."""
    turn = 0
    for name in SCENARIOS:
        for call in range(plays.endings[name].calls):
            mode, times = _MODES[turn % len(_MODES)], OUTAGE if turn % 2 else 1
            play = partial(plays.disturbed, name, Disturbance(mode, skip=call, times=times))
            place = f"calls {call + 1} to {call + times}"
            yield Combination(name, f"Ray: {_RAY[mode]}", place, play)
            turn += 1


_Make = Callable[[Where, int], Fault]
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
    lambda where, skip: Refusal(503, where, skip=skip, times=8),
)
_LINES: tuple[_Make, ...] = (
    lambda where, _: Silence(where),
    lambda where, _: CutInMidChunk(where),
    lambda where, _: Garbage(where),
    lambda where, _: ErrorEvent(where),
    lambda where, _: BareStatus(where),
    lambda where, _: HiddenEvent(where, types=("ADDED",)),
    lambda where, _: HiddenEvent(where, types=("MODIFIED",)),
    lambda where, _: HiddenEvent(where, types=("DELETED",)),
    lambda where, _: RepeatEvents(where),
    lambda where, _: OldEventsAgain(where),
    lambda where, _: Lag(where),
    lambda where, _: SmallPieces(where),
)
_WATCHES: tuple[_Make, ...] = (
    lambda where, _: EmptyStream(where),
    lambda where, _: Refusal(410, where, times=2),
    lambda where, _: Refusal(429, where, retry_after_seconds=1),
    lambda where, _: Refusal(500, where),
    lambda where, _: Refusal(401, where),
    lambda where, _: LostRequest(where),
)
_STARTS: tuple[Callable[[Where, JsonObject], Fault], ...] = (
    lambda where, _: Refusal(410, where),
    lambda where, _: Refusal(429, where, retry_after_seconds=1),
    lambda where, _: Refusal(500, where, times=2),
    lambda where, _: Refusal(401, where),
    lambda where, _: LostRequest(where),
    lambda where, _: CutRequest(where),
    lambda where, _: EmptyStream(where),
    StaleList,
)
_RAY = {
    Mode.HUNG: "never answers",
    Mode.SLOW: "answers late",
    Mode.MISSING: "answers 404",
    Mode.BROKEN: "answers 500",
    Mode.GARBAGE: "answers with a login page",
    Mode.CUT: "hangs up",
    Mode.CUT_AFTERWARDS: "obeys and hangs up",
}
_MODES = tuple(_RAY)


def _turns(items: Sequence[T], first: int, count: int) -> Iterable[T]:
    """Return `count` of `items`, from the `first` on, round and round."""
    return [items[(first + number) % len(items)] for number in range(count)]
