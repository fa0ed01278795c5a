"""A Docker daemon of our own in its network namespace, and the name server that it asks.

Whatever half of them an interrupted run, a reboot or a kill has left, ``up`` replaces, and
``down`` removes: processes, mounts, control groups, the network.
"""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from hack.cluster import network, processes
from hack.cluster.binaries import folder_of
from hack.cluster.cache import Cache
from hack.cluster.errors import ClusterError
from hack.cluster.packages import tools
from hack.cluster.shell import Shell, wait_until

# Docker stops its containers first: 10 s for a node, which is one, then some.
STOP_SECONDS = 60
START_SECONDS = 60

CAP_SYS_RESOURCE = 24


def socket(cache: Cache) -> Path:
    """Where the daemon listens."""
    return cache.run / "docker.sock"


def client(cache: Cache) -> Shell:
    """A shell whose `docker` is the daemon's own age, and talks to it."""
    shell = tools(cache, "docker")
    return Shell(shell.log, {**shell.env, **environment(cache)})


def environment(cache: Cache) -> dict[str, str]:
    """What Docker's clients need to find the daemon, and to build as our Dockerfiles ask."""
    return {"DOCKER_HOST": f"unix://{socket(cache)}", "DOCKER_BUILDKIT": "1"}


def up(cache: Cache) -> None:
    """Have a daemon that answers."""
    if answers(cache):
        return
    down(cache)
    network.up(cache)
    shell = tools(cache, "dockerd")
    # dockerd alone asks for what the machine may withhold; it finds runc by its name.
    pid = network.inside(shell).detach("dockerd", *_flags(cache, shell))
    wait_until(
        lambda: answers(cache) or not processes.lives(pid),
        START_SECONDS,
        f"the Docker daemon to answer; see {shell.log}",
    )
    if not processes.lives(pid):
        raise ClusterError(f"the Docker daemon ended at once; {shell.log} says why")


def answers(cache: Cache) -> bool:
    """Does the daemon run and answer?"""
    if not (processes.daemon(cache, "dockerd") and network.handle().exists()):
        return False
    return client(cache).succeeds("docker", "version", seconds=10)


def _flags(cache: Cache, shell: Shell) -> tuple[str, ...]:
    proxy = shutil.which("docker-proxy", path=shell.env["PATH"])
    return (
        *("--host", f"unix://{socket(cache)}", "--pidfile", f"{cache.run}/docker.pid"),
        *("--data-root", f"{cache.root}/docker", "--exec-root", f"{cache.run}/docker"),
        *("--config-file", str(_configuration(cache))),
        *("--storage-driver", "overlay2", "--userland-proxy-path", str(proxy)),
        # there may be no systemd on the host to ask for control groups
        *("--exec-opt", "native.cgroupdriver=cgroupfs"),
        *("--dns", network.DOCKER_ADDRESS, "--bip", "10.97.0.1/24"),
        *("--default-address-pool", "base=10.97.128.0/17,size=24"),
        *_runtime(cache, shell),
    )


def _configuration(cache: Cache) -> Path:
    """What has no flag: a key, of no use to us, that would be left in /etc/docker."""
    path = cache.run / "daemon.json"
    path.write_text(json.dumps({"deprecated-key-path": f"{cache.run}/key.json"}))
    return path


def _runtime(cache: Cache, shell: Shell) -> tuple[str, ...]:
    """A runc that asks for less, where the machine gives less."""
    if has_capability(CAP_SYS_RESOURCE):
        return ()
    runc = shutil.which("runc", path=shell.env["PATH"])
    wrapper = cache.run / "runc"
    cache.run.mkdir(parents=True, exist_ok=True)
    wrapper.write_text(f'#!/bin/sh\nREAL_RUNC={runc} exec {folder_of(cache)}/runc "$@"\n')
    wrapper.chmod(0o755)
    return ("--add-runtime", f"fewer={wrapper}", "--default-runtime", "fewer")


def has_capability(number: int) -> bool:
    """May processes here ever hold it?"""
    status = Path("/proc/self/status").read_text()
    bounds = next(line for line in status.splitlines() if line.startswith("CapBnd"))
    return bool(int(bounds.split()[1], 16) >> number & 1)


def leftovers(cache: Cache) -> bool:
    """Is there anything of ours to take down?"""
    unused = network.handle().exists() and not processes.strangers(cache, network.handle())
    return cache.run.exists() or unused


def names_up(cache: Cache) -> None:
    """Have a name server that knows no name, and says so at once.

    Docker's own, with nobody to ask, leaves every caller waiting for 20 s.
    """
    if processes.daemon(cache, "coredns"):
        return
    configuration = cache.run / "Corefile"
    configuration.write_text(". {\n    hosts\n}\n")
    network.inside(Shell(cache.logs / "names.log")).detach(
        folder_of(cache) / "coredns", "-conf", configuration
    )


def down(cache: Cache) -> None:
    """Remove daemon, name server and network, in whatever state they are."""
    for name in ("dockerd", "coredns"):
        if process := processes.daemon(cache, name):
            processes.end(process, STOP_SECONDS)
    processes.kill_all(cache)
    _unmount(cache)
    _remove_empty()
    if not processes.strangers(cache, network.handle()):
        network.down(cache)
    shutil.rmtree(cache.run, ignore_errors=True)


def _unmount(cache: Cache) -> None:
    """Everything mounted in the cache, the deepest first."""
    shell = tools(cache, "unmount")
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    below = (path for path in mounted if path.startswith(f"{cache.root}/"))
    for path in sorted(below, key=len, reverse=True):
        shell.succeeds("umount", "--lazy", path)


def _remove_empty() -> None:
    """What Docker and the kubelet leave empty; folders in use refuse to go."""
    groups = Path("/sys/fs/cgroup").glob("**/docker")
    for top in (*groups, Path("/opt/containerd"), Path("/run/docker")):
        for folder, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
