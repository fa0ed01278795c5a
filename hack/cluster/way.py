"""Which cluster to use: the user's current one, stock kind, or kind made from packages."""

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hack.cluster.cache import Cache
from hack.cluster.errors import ClusterError
from hack.cluster.shell import Shell
from hack.cluster.versions import PYTHON_IMAGE


class Way(Enum):
    """How the cluster comes about."""

    CURRENT = "current"
    """It is there already, where kubectl points."""

    PULLED = "pulled"
    """By stock kind, with images from registries."""

    PACKAGED = "packaged"
    """By kind and a Docker daemon of our own, with images made from packages."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What decides."""

    wish: str
    """`$CLUSTER`: a way's name, or `kind` for whichever of the two goes."""

    begun: Way | None = None
    """The way of an earlier `up` that no `down` has ended."""

    docker_answers: bool = False
    """Another Docker daemon is."""

    docker_pulls: bool = False
    """And it gets images."""


def choose(sight: Sight) -> Way:
    """Stock kind where it goes, packages elsewhere; what was begun is gone on with.

    Raises:
        ClusterError: `$CLUSTER` names no way.
    """
    if sight.wish != "kind":
        return _named(sight.wish)
    if sight.begun is not None:
        return sight.begun
    return Way.PULLED if sight.docker_answers and sight.docker_pulls else Way.PACKAGED


def _named(wish: str) -> Way:
    try:
        return Way(wish)
    except ValueError:
        raise ClusterError(
            f"CLUSTER={wish}: expected kind (or nothing), current, pulled or packaged"
        ) from None


def look(cache: Cache) -> Sight:
    """What is so on this machine; a daemon is asked to pull only if that decides."""
    wish = os.environ.get("CLUSTER") or "kind"
    begun = _begun(cache)
    if wish != "kind" or begun is not None:
        return Sight(wish, begun=begun)
    shell = Shell(cache.logs / "docker.log")
    answers = shell.succeeds("docker", "version", seconds=10)
    return Sight(
        wish,
        docker_answers=answers,
        # an image that is needed anyway, and small
        docker_pulls=answers and shell.succeeds("docker", "pull", PYTHON_IMAGE, seconds=120),
    )


def begin(cache: Cache, way: Way) -> None:
    """Remember the way, so that every later command finds the same cluster, come what may."""
    if way is not Way.CURRENT:
        _mark(cache).write_text(way.value)


def end(cache: Cache) -> None:
    """Forget the way: nothing of it is left."""
    _mark(cache).unlink(missing_ok=True)


def _begun(cache: Cache) -> Way | None:
    try:
        return Way(_mark(cache).read_text())
    except (FileNotFoundError, ValueError):
        return None


def _mark(cache: Cache) -> Path:
    return cache.root / "way"
