"""kwok, which plays nodes and kubelets; built from a Go module of its own.

Its own, so that a change here leaves the test cluster's programs as they are.
"""

from pathlib import Path

from hack.cluster.binaries import go
from hack.cluster.cache import Cache, key, whole
from hack.cluster.progress import Progress

GO_MODULE = Path(__file__).parent / "go"


def kwok(cache: Cache, progress: Progress) -> Path:
    """Where kwok lies; built first if it is missing (about five minutes, once)."""
    path = cache.root / f"kwok-{key(GO_MODULE)}"
    if not path.exists():
        with cache.locked(progress), progress.stage("Compile kwok (once)"), whole(path) as new:
            go(cache).run(
                *("go", "build", "-trimpath", "-ldflags", "-s -w"),
                *("-o", new, "sigs.k8s.io/kwok/cmd/kwok"),
                cwd=GO_MODULE,
            )
    return path
