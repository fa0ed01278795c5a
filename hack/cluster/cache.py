"""Where everything slow is kept, so that it is made once for all clones of the project.

A thing's name carries the hash of what it is made from, and it gets that name only when it
is whole: an interrupted run leaves a temporary name behind, never half a thing.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.progress import Progress


@dataclass(frozen=True, slots=True)
class Cache:
    """The folder, and the places in it."""

    root: Path

    @classmethod
    def default(cls) -> "Cache":
        """The user's: ``$XDG_CACHE_HOME/ray-operator``, or the same under ``~/.cache``."""
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return cls(Path(base) / "ray-operator")

    @property
    def bin(self) -> Path:
        """The commands that a person uses: kind, kubectl, docker."""
        return self.root / "bin"

    @property
    def logs(self) -> Path:
        """The full output of every tool that we run."""
        return self.root / "log"

    @property
    def run(self) -> Path:
        """Sockets and state of running daemons."""
        return self.root / "run"

    @property
    def kubeconfig(self) -> Path:
        """How to reach the cluster; the user's own kubeconfig stays as it is."""
        return self.root / "kubeconfig"

    @contextmanager
    def locked(self, progress: Progress) -> Iterator[None]:
        """Keep other runs, of this clone or another, out of the cache until done."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with progress.stage("Wait for another run that holds the cache"):
                    fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def key(*inputs: str | Path) -> str:
    """Hash of texts, and of files (folders: all files in them) by name and content."""
    digest = hashlib.sha256()
    for one in inputs:
        for part in _parts(one):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:12]


def _parts(one: str | Path) -> Iterable[bytes]:
    if isinstance(one, str):
        yield one.encode()
        return
    files = sorted(p for p in one.rglob("*") if p.is_file()) if one.is_dir() else [one]
    for file in files:
        if "__pycache__" not in file.parts:
            yield str(file.relative_to(one.parent)).encode()
            yield file.read_bytes()


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path to fill (a file or a folder); renamed to ``path`` if nothing failed."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove(unfinished)
    yield unfinished
    remove(path)
    unfinished.rename(path)


def remove(path: Path) -> None:
    """Remove a file, link or folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def link(target: Path, name: Path) -> None:
    """Make ``name`` a link to ``target``, replacing what stood there in one step."""
    name.parent.mkdir(parents=True, exist_ok=True)
    unfinished = name.with_name(f".{name.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(target)
    unfinished.rename(name)
