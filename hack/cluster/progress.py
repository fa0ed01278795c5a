"""What is going on, for a person at a terminal: stages, elapsed times, signs of life.

Every stage ends in a line with its duration. On a terminal the stages under way share one
line that counts; elsewhere a line is written each half minute, so that a log shows life too.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TextIO

ON_A_TERMINAL_SECONDS = 0.5
# Long enough not to drown a log; short enough that nobody takes the run for dead.
ELSEWHERE_SECONDS = 30.0


class Progress:
    """Stages may run at the same time, in several threads."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._under_way: dict[str, float] = {}
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._ticker.join()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show ``name`` while the block runs, and how long it took once it is through."""
        start = time.monotonic()
        with self._lock:
            self._under_way[name] = start
        mark = "✗"
        try:
            yield
            mark = "✓"
        finally:
            with self._lock:
                del self._under_way[name]
            self._line(f"{mark} {name}", time.monotonic() - start)

    def say(self, text: str) -> None:
        """A line of its own, not tied to a stage."""
        with self._lock:
            self._write(f"{text}\n")

    def _line(self, text: str, seconds: float) -> None:
        self.say(f"  {text:<58} {clock(seconds):>6}")

    def _tick(self) -> None:
        pause = ON_A_TERMINAL_SECONDS if self._out.isatty() else ELSEWHERE_SECONDS
        while not self._over.wait(pause):
            with self._lock:
                if self._under_way:
                    self._show(self._running())
        with self._lock:
            self._write("")

    def _running(self) -> str:
        now = time.monotonic()
        return " · ".join(f"{name} {clock(now - since)}" for name, since in self._under_way.items())

    def _show(self, text: str) -> None:
        if self._out.isatty():
            self._write(f"  … {text}"[:118])
        else:
            self._write(f"  … {text}\n")

    def _write(self, text: str) -> None:
        """Replace the terminal's counting line, if there is one, by ``text``."""
        self._out.write(f"\r\033[K{text}" if self._out.isatty() else text)
        self._out.flush()


def clock(seconds: float) -> str:
    """``4.2 s`` or ``3:07``: short for what is short."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes else f"{seconds:.1f} s"
