"""A program that the benchmark starts, and what it uses of the machine."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
BYTES_PER_MB = 1_000_000
END_SECONDS = 40
"""The operator's own deadline for its end is 30 s."""

RESET_PEAK = "5"
"""What to write to `clear_refs` so that VmHWM begins anew (proc(5))."""


@dataclass(frozen=True, slots=True)
class Process:
    """A running program. Its own session: Ctrl-C reaches us alone, and we end it in our order."""

    child: "subprocess.Popen[bytes]"
    log: Path

    @classmethod
    def start(
        cls, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> Self:
        """Start it with its output going to `log`."""
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        return cls(child, log)

    def end(self) -> None:
        """Ask it to end, and see to it that it does."""
        if self.child.poll() is None:
            self.child.terminate()
        try:
            self.child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, if it still runs."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def check(self) -> None:
        """See whether it still runs.

        Raises:
            RuntimeError: it does not.
        """
        if (code := self.child.poll()) is not None:
            last_words = self.log.read_text(errors="replace")[-1500:]
            raise RuntimeError(f"{self.child.args!r} ended with {code}:\n{last_words}")

    @property
    def cpu_seconds(self) -> float:
        """What it used so far, all threads; 0 once it is gone."""
        try:
            text = Path(f"/proc/{self.child.pid}/stat").read_text()
        except OSError:
            return 0.0
        # pid (name, which may hold anything) state ppid …; utime and stime are fields 14 and 15.
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    @property
    def peak_mb(self) -> float:
        """The most resident memory since the start or `reset_peak`, in 10^6 bytes."""
        return self._status("VmHWM")

    @property
    def resident_mb(self) -> float:
        """The resident memory now, in 10^6 bytes."""
        return self._status("VmRSS")

    def reset_peak(self) -> None:
        """Let `peak_mb` begin anew. Where the kernel does not let us, it goes on."""
        with contextlib.suppress(OSError):
            Path(f"/proc/{self.child.pid}/clear_refs").write_text(RESET_PEAK)

    def _status(self, field: str) -> float:
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == field:
                return int(rest.split()[0]) * 1024 / BYTES_PER_MB
        return 0.0


def machine_cpu_seconds() -> float:
    """What the whole machine used so far, all cores, whoever it was."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND


def own_cpu_seconds() -> float:
    """What the benchmark itself used so far."""
    times = os.times()
    return times.user + times.system
