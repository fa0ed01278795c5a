"""What a scenario cost: time, CPU by whom, memory, calls; and the shape of a result."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hack.bench.audit import Call, tally
from hack.bench.plane import Plane
from hack.bench.process import Process, machine_cpu_seconds, own_cpu_seconds


@dataclass(frozen=True, slots=True)
class Cost:
    """What was used while something was measured. CPU in seconds of one core."""

    seconds: float
    operator_cpu: float
    plane_cpu: float
    bench_cpu: float
    others_cpu: float
    """Of programs that are none of ours: above a tenth of `seconds`, times say little."""
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Calls:
    """What was asked of the API server, from its audit log."""

    by_kind: Mapping[str, int] = field(default_factory=dict)
    writes: int = 0
    """Besides events and the Lease."""
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario, run once by the operator or by the floor."""

    scenario: str
    objects: int
    """Clusters, or workers in the scenario `scale`: what the cost is divided by."""
    seconds: float
    """Until the last was ready (or gone)."""
    cost: Cost
    """Until all was quiet: what is written late counts, too."""
    latencies: Sequence[float] = ()
    """Seconds from created (or deleted) to ready, of each."""
    calls: Calls = field(default_factory=Calls)
    figures: Mapping[str, float] = field(default_factory=dict)
    """Further numbers of this scenario alone; the names carry units."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Everything that only ever grows."""

    at: float
    operator: float
    plane: float
    bench: float
    machine: float


class Meter:
    """Reads the counters at the start and at the end."""

    def __init__(self, plane: Plane, operator: Process | None) -> None:
        self._plane = plane
        self._operator = operator
        if operator is not None:
            operator.reset_peak()
        plane.audit.skip()
        self._start = self._read()
        self._end: Counters | None = None

    def mark(self) -> None:
        """Let the cost end here, unless there is a later mark."""
        self._end = self._read()

    @property
    def began(self) -> float:
        """When it began (monotonic seconds)."""
        return self._start.at

    def cost(self) -> Cost:
        """What was used from the start to the last mark, else until now."""
        start, end = self._start, self._end or self._read()
        ours = (
            end.operator - start.operator,
            end.plane - start.plane,
            end.bench - start.bench,
        )
        return Cost(
            seconds=end.at - start.at,
            operator_cpu=ours[0],
            plane_cpu=ours[1],
            bench_cpu=ours[2],
            others_cpu=max(end.machine - start.machine - sum(ours), 0.0),
            peak_mb=self._operator.peak_mb if self._operator is not None else 0.0,
        )

    def _read(self) -> Counters:
        return Counters(
            at=time.monotonic(),
            operator=self._operator.cpu_seconds if self._operator is not None else 0.0,
            plane=self._plane.cpu_seconds,
            bench=own_cpu_seconds(),
            machine=machine_cpu_seconds(),
        )


def counted(calls: Sequence[Call]) -> Calls:
    """Sum up calls."""
    return Calls(
        by_kind=tally(calls),
        writes=sum(call.is_write for call in calls),
        conflicts=sum(call.is_conflict for call in calls),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of 100 do not exceed (nearest rank); NaN of none.

    `percent` is above 0 and at most 100.
    """
    if not values:
        return math.nan
    return sorted(values)[math.ceil(percent / 100 * len(values)) - 1]
