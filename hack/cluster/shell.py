"""Running tools: output to a log, failures with the tool's last words, none left behind.

``stop_all`` ends what is still running, so that a failed stage does not leave the user
waiting for its neighbours.
"""

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hack.cluster.errors import ClusterError, CommandError

Argument = str | Path

# Enough to recognise the fault; the log has the rest.
LAST_WORDS_BYTES = 1500

_running: set[subprocess.Popen[bytes]] = set()
_guard = threading.Lock()
_stopped = threading.Event()


@dataclass(frozen=True, slots=True)
class Shell:
    """An environment to run tools in, and the log file that their output goes to."""

    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()

    def run(self, *command: Argument, stdin: bytes | None = None, cwd: Path | None = None) -> None:
        """Run to the end.

        Raises:
            CommandError: it ended with an error.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            log.write(f"$ {_text(command)}\n".encode())
            log.flush()
            start = log.tell()
            process = self._start(
                command, subprocess.DEVNULL if stdin is None else subprocess.PIPE, log, cwd
            )
            _wait(process, stdin)
        if process.returncode:
            raise CommandError(_text(command), process.returncode, self.log, self._since(start))

    def output(self, *command: Argument, seconds: float | None = None) -> str:
        """What it prints, without the last newline.

        Raises:
            CommandError: it ended with an error, or not within ``seconds``.
        """
        try:
            done = subprocess.run(
                [*self.prefix, *map(str, command)],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandError(_text(command), -1, None, f"no end within {seconds} s") from error
        except FileNotFoundError as error:
            raise CommandError(_text(command), -1, None, str(error)) from error
        if done.returncode:
            raise CommandError(
                _text(command), done.returncode, None, done.stderr.decode(errors="replace")
            )
        return done.stdout.decode().rstrip("\n")

    def succeeds(self, *command: Argument, seconds: float = 30) -> bool:
        """Does it end well, and in time?"""
        try:
            self.output(*command, seconds=seconds)
        except CommandError:
            return False
        return True

    def detach(self, *command: Argument) -> int:
        """Start a daemon that outlives us and holds none of our files; its process id."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*self.prefix, *map(str, command)],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        return process.pid

    @contextmanager
    def background(self, *command: Argument) -> Iterator[None]:
        """Have it run while the block does, then end it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            process = self._start(command, subprocess.DEVNULL, log)
            try:
                yield
            finally:
                process.terminate()
                _wait(process, None)

    def pipe(self, source: Sequence[Argument], sink: Sequence[Argument]) -> None:
        """Feed what one prints to the other.

        Raises:
            CommandError: one of them ended with an error.
        """
        script = f"set -o pipefail; {_text(source)} | {_text(sink)}"
        self.run("bash", "-c", script)

    @staticmethod
    def path_with(folder: Path) -> str:
        """The search path, with a folder before all others."""
        return f"{folder}:{os.environ.get('PATH', os.defpath)}"

    def _start(
        self, command: Sequence[Argument], stdin: int, log: IO[bytes], cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        if _stopped.is_set():
            raise ClusterError("stopped, because something else failed")
        try:
            process = subprocess.Popen(
                [*self.prefix, *map(str, command)],
                env=self._environment(),
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to hand on, by stop_all
                cwd=cwd,
            )
        except FileNotFoundError as error:
            raise CommandError(_text(command), -1, None, str(error)) from error
        with _guard:
            _running.add(process)
        return process

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.env}

    def _since(self, start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(start)
            return log.read()[-LAST_WORDS_BYTES:].decode(errors="replace")


def _wait(process: subprocess.Popen[bytes], stdin: bytes | None) -> None:
    try:
        process.communicate(stdin)
    except BaseException:  # Ctrl-C: its session is not the terminal's
        _end(process)
        raise
    finally:
        with _guard:
            _running.discard(process)


def _text(command: Sequence[Argument]) -> str:
    return shlex.join(map(str, command))


def stop_all() -> None:
    """End every tool that ``Shell.run`` has under way, with its children, and start no more."""
    _stopped.set()
    with _guard:
        processes = list(_running)
    for process in processes:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Ask again and again, gently.

    Raises:
        ClusterError: not true after ``seconds``; ``what`` says what was waited for.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise ClusterError(f"gave up after {seconds:.0f} s: {what}")
        time.sleep(0.2)
