"""What a person reads at the end, and the JSON beside it."""

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from hack.bench.measurement import Result, percentile
from hack.bench.targets import Results, Verdict, verdicts

FOLDER = Path("build") / "bench"
BUSY = 0.1
"""Of a core, used by others: above it, times are not to be trusted."""
MOST_KINDS = 12
"""Kinds of calls shown a scenario; the JSON has all."""


def write_json(results: Results, load: Sequence[float]) -> Path:
    """Keep everything, and what it was measured on; return where."""
    now = datetime.now(UTC)
    document = {
        "date": now.isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "load_at_start": list(load),
        },
        "operator": {name: _as_json(result) for name, result in results.operator.items()},
        "floor": {name: _as_json(result) for name, result in results.floor.items()},
        "verdicts": [asdict(verdict) for verdict in verdicts(results)],
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def _as_json(result: Result) -> dict[str, object]:
    return {**asdict(result), "percentiles": percentiles(result.latencies)}


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p90 and p99; nothing of nothing."""
    return {f"p{p}": round(percentile(values, p), 3) for p in (50, 90, 99)} if values else {}


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def tables(results: Results) -> str:
    """The whole report."""
    parts = [
        "What it took",
        table(SCENARIO_HEADS, list(_scenario_rows(results))),
        "API calls of the operator, from the audit log",
        "\n".join(_call_lines(results)),
        "Targets",
        table(("figure", "target", "measured", "reached"), [_row(v) for v in verdicts(results)]),
    ]
    return "\n\n".join(parts + list(_warnings(results)))


SCENARIO_HEADS = (
    *("scenario", "objects", "time s", "p50", "p90", "p99"),
    *("CPU ms each", "peak MB", "writes each", "control plane CPU s", "others CPU"),
)


def _scenario_rows(results: Results) -> Iterator[tuple[str, ...]]:
    for name, result in results.operator.items():
        if floor := results.floor.get(name):
            yield _scenario_row(f"{name}, floor", floor)
        yield _scenario_row(name, result)


def _scenario_row(name: str, result: Result) -> tuple[str, ...]:
    cost, each = result.cost, max(result.objects, 1)
    found = percentiles(result.latencies)
    is_floor = name.endswith("floor")
    return (
        name,
        f"{result.objects:,}",
        f"{result.seconds:.1f}",
        *(f"{found[p]:.2f}" if found else "" for p in ("p50", "p90", "p99")),
        "" if is_floor else f"{1000 * cost.operator_cpu / each:.2f}",
        "" if is_floor else f"{cost.peak_mb:.0f}",
        f"{result.calls.writes / each:.2f}",
        f"{cost.plane_cpu:.1f}",
        f"{100 * cost.others_cpu / cost.seconds:.0f} %",
    )


def _call_lines(results: Results) -> Iterator[str]:
    for name, result in results.operator.items():
        shown = list(result.calls.by_kind.items())[:MOST_KINDS]
        calls = ", ".join(f"{kind} {count:,}" for kind, count in shown) or "none"
        conflicts = f"; {result.calls.conflicts} conflicts" if result.calls.conflicts else ""
        yield f"  {name}: {calls}{conflicts}"


def _row(verdict: Verdict) -> tuple[str, ...]:
    return (verdict.what, verdict.target, verdict.measured, "yes" if verdict.is_reached else "NO")


def _warnings(results: Results) -> Iterator[str]:
    busy = [
        name
        for name, result in (*results.operator.items(), *results.floor.items())
        if result.cost.others_cpu > BUSY * result.cost.seconds
    ]
    if busy:
        yield (
            f"Other programs used more than {BUSY:.0%} of a core during: "
            f"{', '.join(sorted(set(busy)))}.\nTimes of these say little; calls and memory hold."
        )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first to the left, numbers to the right."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join("  " + _line(line, widths, rows) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], rows: Sequence[Sequence[str]]) -> str:
    padded = (
        cell.rjust(width) if _is_numeric(rows, column) else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def _is_numeric(rows: Sequence[Sequence[str]], column: int) -> bool:
    cells = [row[column] for row in rows if row[column]]
    return bool(cells) and all(_looks_like_number(cell) for cell in cells)


def _looks_like_number(cell: str) -> bool:
    return cell.removesuffix(" %").replace(",", "").replace(".", "").isdigit()
