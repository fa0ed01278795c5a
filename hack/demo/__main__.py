"""Runs the demo or takes it down: ``python -m hack.demo up|down``."""

import sys
from argparse import ArgumentParser

from hack.cluster.progress import Progress
from hack.demo.steps import DemoError, down, up


def main() -> int:
    """Run one command; 1 and a plain message if a step failed."""
    parser = ArgumentParser(prog="python -m hack.demo")
    parser.add_argument("command", choices=["up", "down"])
    command = parser.parse_args().command
    try:
        with Progress() as progress:
            (up if command == "up" else down)(progress)
    except DemoError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
