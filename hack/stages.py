"""Runs make targets one after another, saying which is running and how long each took.

    python -m hack.stages lint types test-unit

Stops at the first that fails, and closes with a table of what ran, so that the
last screen of a long run tells where the time went and what failed.
"""

import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ran:
    """One make target that has ended."""

    target: str
    seconds: float
    succeeded: bool

    def __str__(self) -> str:
        """Return a line of the closing table."""
        mark = "ok    " if self.succeeded else "FAILED"
        return f"  {mark} {self.seconds:7.1f} s  {self.target}"


def run(target: str) -> Ran:
    """Make one target; its output goes straight to the terminal."""
    began = time.monotonic()
    ended = subprocess.run(["make", target], check=False)
    return Ran(target, time.monotonic() - began, ended.returncode == 0)


def main(targets: list[str]) -> int:
    """Make the targets in order and return the exit code."""
    ran: list[Ran] = []
    for number, target in enumerate(targets, start=1):
        print(f"==> {target} ({number} of {len(targets)})", flush=True)
        ran.append(run(target))
        if not ran[-1].succeeded:
            break
    print("\n".join(["", *map(str, ran)]), flush=True)
    return 0 if all(each.succeeded for each in ran) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
