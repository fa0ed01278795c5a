"""The daemons that we started, found by what they are rather than by remembered numbers.

Ours is a process of a known name one of whose arguments lies in the cache's ``run`` folder
(a socket, a configuration). A number in a file would lie after a reboot or a SIGKILL.
"""

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.cache import Cache
from hack.cluster.shell import wait_until

NAMES = ("dockerd", "containerd", "containerd-shim-runc-v2", "coredns", "docker-proxy")

# A kill is final; the time is for the kernel to take down a node with its pods.
GONE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Process:
    """One entry of /proc."""

    pid: int
    parent: int
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """The program's name, without its folder."""
        return Path(self.arguments[0]).name if self.arguments else ""


def everything() -> dict[int, Process]:
    """All processes by number."""
    found = (_read(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {process.pid: process for process in found if process}


def _read(pid: int) -> Process | None:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        # pid (name, which may hold anything) state parent ...
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    except OSError:  # it has ended meanwhile
        return None
    return Process(pid, int(parent), tuple(arguments.split("\0")[:-1]))


def ours(cache: Cache, processes: Iterable[Process]) -> list[Process]:
    """Those of the daemons, and of what they are made of, that use our ``run`` folder."""
    mark = str(cache.run)
    return [
        process
        for process in processes
        if process.name in NAMES and any(mark in argument for argument in process.arguments)
    ]


def daemon(cache: Cache, name: str) -> Process | None:
    """Ours of that name that stands alone, if it runs."""
    found = [p for p in ours(cache, everything().values()) if p.name == name]
    return found[0] if found else None


def strangers(cache: Cache, namespace: Path) -> tuple[int, ...]:
    """The processes in that network namespace that are not ours."""
    if not (number := _inode(namespace)):
        return ()
    processes = everything()
    known = descendants(ours(cache, processes.values()), processes)
    return tuple(
        pid
        for pid in processes
        if pid not in known and _inode(Path(f"/proc/{pid}/ns/net")) == number
    )


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def end(process: Process, seconds: float) -> None:
    """Ask it to end, and wait until it has."""
    _signal(process.pid, signal.SIGTERM)
    wait_until(lambda: not Path(f"/proc/{process.pid}").exists(), seconds, f"{process.name} to end")


def kill_all(cache: Cache) -> None:
    """End what is left of ours and all that descends from it: containers, nodes, pods."""
    processes = everything()
    doomed = descendants(ours(cache, processes.values()), processes)
    for pid in doomed:
        _signal(pid, signal.SIGKILL)
    wait_until(
        lambda: not any(lives(pid) for pid in doomed), GONE_SECONDS, "killed processes to end"
    )


def descendants(roots: Iterable[Process], processes: dict[int, Process]) -> list[int]:
    """The numbers of ``roots`` and of all below them."""
    found = {process.pid for process in roots}
    while below := {p.pid for p in processes.values() if p.parent in found} - found:
        found |= below
    return sorted(found)


def lives(pid: int) -> bool:
    """Does it run? A zombie, whose parent has yet to look, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
