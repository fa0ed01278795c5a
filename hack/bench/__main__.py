"""Measures the operator: ``python -m hack.bench``; docs/benchmark.md says what the figures mean."""

import argparse
import asyncio
import os
import signal
import sys

import aiohttp

from hack.bench.programs import kwok
from hack.bench.report import tables, write_json
from hack.bench.run import ALL, Order, Run
from hack.cluster.binaries import control_plane
from hack.cluster.cache import Cache
from hack.cluster.errors import ClusterError
from hack.cluster.progress import Progress

INTERRUPTED = 130  # what a shell makes of Ctrl-C
QUICK = Order(frozenset(ALL) - {"large-burst"}, small_count=50, workers=100, rest_seconds=15)


def main() -> int:
    """Measure, print, keep; 1 and a plain message if something went wrong."""
    order = _order(_parser().parse_args())
    load = os.getloadavg()
    try:
        with Progress() as progress:
            cache = Cache.default()
            run = Run(order, control_plane(cache, progress), kwok(cache, progress), progress)
            code = asyncio.run(_measure(run))
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if run.operator:
        print(f"\n{tables(run.results)}\n")
        print(f"All of it: {write_json(run.results, load)}")
    return code


async def _measure(run: Run) -> int:
    """Run to the end; what was measured before a failure or Ctrl-C is kept."""
    task = asyncio.ensure_future(run.all())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        print("interrupted; everything that was started has been ended", file=sys.stderr)
        return INTERRUPTED
    except (OSError, RuntimeError, ExceptionGroup, aiohttp.ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _order(asked: argparse.Namespace) -> Order:
    base = QUICK if asked.quick else Order()
    chosen = frozenset(asked.scenarios.split(",")) if asked.scenarios else base.scenarios
    return Order(
        scenarios=chosen,
        small_count=asked.small_clusters or base.small_count,
        large_count=asked.clusters or base.large_count,
        workers=asked.workers or base.workers,
        rest_seconds=asked.rest or base.rest_seconds,
        has_floor=not asked.no_floor,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hack.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts: about two minutes")
    parser.add_argument("--scenarios", type=_scenarios, help=f"comma list of {', '.join(ALL)}")
    parser.add_argument("--clusters", type=int, help="of large-burst and what follows (1000)")
    parser.add_argument("--small-clusters", type=int, help="of burst (100)")
    parser.add_argument("--workers", type=int, help="of scale (500)")
    parser.add_argument("--rest", type=float, help="seconds at rest (120)")
    parser.add_argument("--no-floor", action="store_true", help="the operator alone")
    return parser


def _scenarios(text: str) -> str:
    if unknown := set(text.split(",")) - set(ALL):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return text


if __name__ == "__main__":
    sys.exit(main())
