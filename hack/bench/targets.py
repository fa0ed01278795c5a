"""What the figures have to be (issue 4, section 8), and whether they are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hack.bench.measurement import Result

MOST_OF_THE_FLOOR = 1.3
MOST_WRITES = 9
MOST_CPU_MS = 6
MOST_MB = 130
MOST_IDLE_MB = 75
MOST_RESTING_PERCENT = 0.5
MOST_RESTART_SECONDS = 5
MOST_WAIT_SECONDS = 1

FULL_COUNT = 1000
"""Clusters for which the memory target is meant."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure beside its target."""

    what: str
    target: str
    measured: str
    is_reached: bool


@dataclass(frozen=True, slots=True)
class Results:
    """The results of one run, by scenario."""

    operator: Mapping[str, Result]
    floor: Mapping[str, Result]


def verdicts(results: Results) -> Sequence[Verdict]:
    """Judge what was measured; what was not is left out."""
    return [*_speed(results), *_frugality(results), *_calm(results)]


def _speed(results: Results) -> Iterator[Verdict]:
    for name, result in results.operator.items():
        if floor := results.floor.get(name):
            ratio = result.seconds / floor.seconds
            yield Verdict(
                f"{_title(result)}: time, against the floor",
                f"≤ {MOST_OF_THE_FLOOR} x",
                f"{ratio:.2f} x ({result.seconds:.1f} s, floor {floor.seconds:.1f} s)",
                ratio <= MOST_OF_THE_FLOOR,
            )
    if scale := results.operator.get("scale"):
        alone = scale.figures["small_alone_seconds"]
        wait = scale.figures["small_meanwhile_seconds"]
        yield Verdict(
            "a small cluster meanwhile, beyond its time alone",
            f"≤ {MOST_WAIT_SECONDS} s",
            f"{wait - alone:+.2f} s ({wait:.2f} s, alone {alone:.2f} s)",
            wait - alone <= MOST_WAIT_SECONDS,
        )


def _frugality(results: Results) -> Iterator[Verdict]:
    for name in ("burst", "large-burst"):
        if result := results.operator.get(name):
            writes = result.calls.writes / result.objects
            yield Verdict(
                f"{_title(result)}: writes a cluster",
                f"≤ {MOST_WRITES}",
                f"{writes:.2f}",
                writes <= MOST_WRITES,
            )
            cpu = 1000 * result.cost.operator_cpu / result.objects
            yield Verdict(
                f"{_title(result)}: operator CPU a cluster",
                f"≤ {MOST_CPU_MS} ms",
                f"{cpu:.1f} ms",
                cpu <= MOST_CPU_MS,
            )
    if large := results.operator.get("large-burst"):
        yield Verdict(
            f"{_title(large)}: peak memory",
            f"< {MOST_MB} MB at {FULL_COUNT:,}",
            f"{large.cost.peak_mb:.0f} MB",
            large.cost.peak_mb < MOST_MB,
        )
    if idle := results.operator.get("idle"):
        resident = idle.figures["resident_mb"]
        yield Verdict(
            "memory, idle", f"< {MOST_IDLE_MB} MB", f"{resident:.0f} MB", resident < MOST_IDLE_MB
        )


def _calm(results: Results) -> Iterator[Verdict]:
    if rest := results.operator.get("rest"):
        percent = rest.figures["cpu_percent"]
        where = f"{rest.cost.seconds:.0f} s at rest with {rest.objects:,} clusters"
        yield Verdict(f"{where}: writes", "0", f"{rest.calls.writes}", rest.calls.writes == 0)
        yield Verdict(
            f"{where}: CPU",
            f"< {MOST_RESTING_PERCENT} % of a core",
            f"{percent:.2f} %",
            percent < MOST_RESTING_PERCENT,
        )
    for name, how in (("restart-stop", "graceful stop"), ("restart-kill", "container restart")):
        if found := results.operator.get(name):
            where = f"{how} with {found.objects:,} clusters"
            filled = found.figures["filled_seconds"]
            yield Verdict(
                f"{where}: a new cluster ready",
                f"< {MOST_RESTART_SECONDS} s",
                f"{found.seconds:.1f} s (caches filled: {filled:.1f} s)",
                found.seconds < MOST_RESTART_SECONDS,
            )
            yield Verdict(
                f"{where}: needless writes", "0", f"{found.calls.writes}", found.calls.writes == 0
            )


def _title(result: Result) -> str:
    if result.scenario == "scale":
        return f"1 to {result.objects:,} workers"
    return f"burst of {result.objects:,} clusters"
