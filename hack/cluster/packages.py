"""Debian's packages without installing them: unpacked into the cache, and whole root trees.

Nothing on the host changes (at most apt's lists are refreshed, when they know too little).
apt's own sources decide where packages come from.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hack.cluster.cache import Cache, key, link, whole
from hack.cluster.errors import CommandError
from hack.cluster.shell import Shell

SUITE = "bookworm"  # Debian 12: its systemd 252 is the last at ease with cgroup v1

# What runs on the host. apt adds what these depend on and the host lacks.
WANTED = ("docker.io", "containerd", "runc", "iptables", "mmdebstrap")
# Packages for commands that nearly every machine has.
UNLESS_THERE = {"ip": "iproute2", "openssl": "openssl", "umount": "mount"}

LIBRARIES = "usr/lib/x86_64-linux-gnu"
XTABLES_NAMES = ("iptables", "iptables-save", "iptables-restore")


def folder_of(cache: Cache) -> Path:
    """Where they are unpacked."""
    return cache.root / f"packages-{key(SUITE, *_names())}"


def unpacked(cache: Cache) -> Path:
    """The folder with the packages' files; downloaded and unpacked first if it is missing."""
    folder = folder_of(cache)
    if not folder.exists():
        with whole(folder) as new:
            (new / "debs/partial").mkdir(parents=True)
            _download(Shell(cache.logs / "apt.log"), _names(), new / "debs")
            for deb in (new / "debs").glob("*.deb"):
                Shell(cache.logs / "apt.log").run("dpkg", "-x", deb, new)
            _name_iptables(new)
            shutil.rmtree(new / "debs")
    return folder


def _names() -> list[str]:
    there = {command for command in UNLESS_THERE if shutil.which(command, path=_path())}
    return [*WANTED, *(name for command, name in UNLESS_THERE.items() if command not in there)]


def _download(shell: Shell, names: Sequence[str], into: Path) -> None:
    command = (
        *("apt-get", "install", "--yes", "--quiet", "--download-only", "--no-install-recommends"),
        *("-o", f"Dir::Cache::archives={into}", "-o", "Debug::NoLocking=1"),
        *("-o", "APT::Sandbox::User=root", *names),
    )
    try:
        shell.run(*command)
    except CommandError:  # a fresh machine has no lists, an old one names files that are gone
        shell.run("apt-get", "update", "--quiet")
        shell.run(*command)


def _name_iptables(folder: Path) -> None:
    """The names that installing would make, by Debian's alternatives; nft mode throughout."""
    for family in XTABLES_NAMES:
        for name in (family, family.replace("ip", "ip6", 1)):
            if (folder / "usr/sbin/xtables-nft-multi").exists():
                link(Path("xtables-nft-multi"), folder / "usr/sbin" / name)


def tools(cache: Cache, log: str) -> Shell:
    """A shell in which the unpacked programs find one another and their libraries."""
    root = folder_of(cache)
    perl = (p for p in root.glob("usr/share/perl*/**/5.*") if p.is_dir())
    return Shell(
        cache.logs / f"{log}.log",
        {
            "PATH": f"{root}/usr/sbin:{root}/usr/bin:{root}/sbin:{root}/bin:{_path()}",
            "LD_LIBRARY_PATH": f"{root}/{LIBRARIES}:{root}/lib/x86_64-linux-gnu",
            "PERL5LIB": ":".join(map(str, (root / "usr/share/perl5", *perl))),
            **({"XTABLES_LIBDIR": f"{root}/{LIBRARIES}/xtables"} if _has_xtables(root) else {}),
        },
    )


def _has_xtables(root: Path) -> bool:
    return (root / LIBRARIES / "xtables").exists()


def _path() -> str:
    """The usual places too: a user's path may lack sbin."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def tree(cache: Cache, names: Sequence[str], target: Path, *hooks: str) -> None:
    """Make a Debian root tree of these packages at ``target`` (a folder, or a ``.tar``).

    ``hooks`` are shell commands that run on the finished tree, which is ``$1``.
    """
    excluded = ("doc", "man", "locale", "info", "lintian", "bug")
    tools(cache, f"debian-{target.name.strip('.').split('.')[0]}").run(
        *("mmdebstrap", "--mode=root", "--variant=essential", f"--include={','.join(names)}"),
        *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in excluded),
        *(f"--customize-hook={hook}" for hook in hooks),
        *(SUITE, target, "-"),
        stdin=_sources().encode(),
    )


def first_source() -> tuple[str, str]:
    """The address of the suite's own archive, and the suite."""
    uri = next(uri for uri, suite in _archives() if suite == SUITE)
    return uri, SUITE


def _sources() -> str:
    """The host's sources of the suite and of its updates, as lines for another tree."""
    return "".join(f"deb {uri} {suite} main\n" for uri, suite in _archives())


def _archives() -> list[tuple[str, str]]:
    """Addresses and suites; apt knows those of which it has lists."""
    if not (found := _listed()):
        subprocess.run(["apt-get", "update", "--quiet"], capture_output=True, check=True)
        found = _listed()
    return found


def _listed() -> list[tuple[str, str]]:
    fields = "$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)"
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [
        (uri, suite)
        for origin, suite, component, uri in map(str.split, sorted(set(targets)))
        if origin == "Debian" and suite.startswith(SUITE) and component == "main"
    ]
