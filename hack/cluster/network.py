"""A network namespace for the Docker daemon, joined to the host by one pair of interfaces.

It has no way out: the host's firewall and forwarding stay as they are, and nothing that runs
in the cluster reaches the outside. What the kernel is told for the whole machine is noted
before, and put back after.
"""

import json
from pathlib import Path

from hack.cluster.cache import Cache
from hack.cluster.packages import tools
from hack.cluster.shell import Shell

NAMESPACE = "ray-operator"
HOST_LINK = "ray-op-host"  # at most 15 characters
INNER_LINK = "ray-op-docker"

# A /30 out of the private range that kind and Docker leave alone: the cluster has
# 10.96.0.0/16 (services) and 10.244.0.0/16 (pods), the daemon 10.97.0.0/16.
HOST_ADDRESS = "10.98.0.1"
DOCKER_ADDRESS = "10.98.0.2"
PREFIX_BITS = 30
SUBNET = "10.98.0.0/30"

PROC_SYS = Path("/proc/sys")
# A node, with its many watchers of files, runs into the defaults.
RAISED = {"fs/inotify/max_user_instances": 8192, "fs/inotify/max_user_watches": 524288}
# What the kubelet sets for the whole machine.
CHANGED_BY_KUBELET = ("kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory")


def inside(shell: Shell) -> Shell:
    """The same shell in the namespace.

    By nsenter: `ip netns exec` would also remount /sys, and so hide /sys/fs/cgroup.
    """
    return Shell(shell.log, shell.env, (*shell.prefix, "nsenter", f"--net={handle()}", "--"))


def handle() -> Path:
    """The file that keeps the namespace alive."""
    return Path("/run/netns") / NAMESPACE


def up(cache: Cache) -> None:
    """Make namespace and links, unless they are there."""
    shell = tools(cache, "network")
    if _is_whole():
        return
    down(cache)
    _note_settings(cache)
    shell.run("ip", "netns", "add", NAMESPACE)
    within = inside(shell)
    shell.run(
        *("ip", "link", "add", HOST_LINK, "type", "veth"),
        *("peer", "name", INNER_LINK, "netns", NAMESPACE),
    )
    shell.run("ip", "addr", "add", f"{HOST_ADDRESS}/{PREFIX_BITS}", "dev", HOST_LINK)
    shell.run("ip", "link", "set", HOST_LINK, "up")
    within.run("ip", "link", "set", "lo", "up")
    within.run("ip", "addr", "add", f"{DOCKER_ADDRESS}/{PREFIX_BITS}", "dev", INNER_LINK)
    within.run("ip", "link", "set", INNER_LINK, "up")
    within.run("tee", PROC_SYS / "net/ipv4/ip_forward", stdin=b"1")
    _raise_limits()


def down(cache: Cache) -> None:
    """Remove both, whole or not, and put the machine's settings back."""
    shell = tools(cache, "network")
    if handle().exists():
        shell.run("ip", "netns", "delete", NAMESPACE)
    if Path("/sys/class/net", HOST_LINK).exists():  # else it went with its peer
        shell.succeeds("ip", "link", "delete", HOST_LINK)
    _remove_mount_point(shell)
    _restore_settings(cache)


def _remove_mount_point(shell: Shell) -> None:
    """`ip netns add` mounts the folder on itself; nobody needs that once it is empty."""
    folder = handle().parent
    if folder.exists() and not any(folder.iterdir()):
        shell.succeeds("umount", folder)
        folder.rmdir()


def _is_whole() -> bool:
    return handle().exists() and Path("/sys/class/net", HOST_LINK).exists()


def _raise_limits() -> None:
    for name, least in RAISED.items():
        path = PROC_SYS / name
        if int(path.read_text()) < least:
            path.write_text(str(least))


def _noted(cache: Cache) -> Path:
    return cache.run / "settings.json"


def _note_settings(cache: Cache) -> None:
    if _noted(cache).exists():  # of an interrupted run: those are the machine's own
        return
    values = {name: (PROC_SYS / name).read_text() for name in (*RAISED, *CHANGED_BY_KUBELET)}
    cache.run.mkdir(parents=True, exist_ok=True)
    _noted(cache).write_text(json.dumps(values))


def _restore_settings(cache: Cache) -> None:
    if not _noted(cache).exists():
        return
    for name, value in json.loads(_noted(cache).read_text()).items():
        (PROC_SYS / name).write_text(value)
    _noted(cache).unlink()
