"""What a person can ask for, and which of the three ways does it."""

import argparse
import os
import shlex
import shutil
import sys
from typing import Protocol

from hack.cluster import binaries
from hack.cluster.cache import Cache
from hack.cluster.current import Current
from hack.cluster.errors import ClusterError
from hack.cluster.packaged import Packaged
from hack.cluster.progress import Progress
from hack.cluster.pulled import Pulled
from hack.cluster.shell import Shell, stop_all
from hack.cluster.way import Way, begin, choose, end, look

INTERRUPTED = 130  # what a shell makes of Ctrl-C


class Provider(Protocol):
    """What each way can do."""

    def up(self) -> None:
        """Have the cluster up."""

    def down(self, *, everything: bool) -> None:
        """Have it gone."""

    def load(self, *names: str) -> None:
        """Bring images into it."""

    def build_operator(self, name: str) -> None:
        """Build the operator's image."""

    def environment(self) -> dict[str, str]:
        """What a person's shell needs."""
        ...

    def shell(self) -> Shell:
        """What our own commands run in."""
        ...


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors are told in a few lines."""
    asked = _parser().parse_args(arguments)
    try:
        with Progress() as progress:
            _run(asked, Cache.default(), progress)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        stop_all()
        print("interrupted; what was finished is kept", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hack.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="have a cluster")
    down = commands.add_parser("down", help="delete it")
    down.add_argument("--all", action="store_true", help="our Docker daemon and its network too")
    load = commands.add_parser("load", help="bring images into it")
    load.add_argument("images", nargs="+")
    build = commands.add_parser("build-operator", help="build the operator's image")
    build.add_argument("image")
    commands.add_parser("binaries", help="only the programs of a control plane, for tests")
    commands.add_parser("env", help="print what makes a shell use the cluster")
    commands.add_parser("status", help="say what is there")
    kubectl = commands.add_parser("kubectl", help="run kubectl on it", add_help=False)
    kubectl.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _run(asked: argparse.Namespace, cache: Cache, progress: Progress) -> None:
    if asked.command == "binaries":
        binaries.control_plane(cache, progress)
        return
    way = choose(look(cache))
    provider = _provider(way, cache, progress)
    match asked.command:
        case "env":
            print(exports(provider.environment(), cache))
        case "kubectl":
            _become_kubectl(provider.shell(), asked.arguments)
        case "status":
            _status(way, provider)
        case _:
            with cache.locked(progress):
                _change(asked, provider)
                _remember(asked, cache, way)


def _become_kubectl(shell: Shell, arguments: list[str]) -> None:
    environment = {**os.environ, **shell.env}
    kubectl = shutil.which("kubectl", path=environment["PATH"])
    if not kubectl:
        raise ClusterError("there is no kubectl: bring the cluster up first")
    os.execve(kubectl, ["kubectl", *arguments], environment)  # noqa: S606  # it takes our place


def _change(asked: argparse.Namespace, provider: Provider) -> None:
    match asked.command:
        case "up":
            provider.up()
        case "down":
            provider.down(everything=asked.all)
        case "load":
            provider.load(*asked.images)
        case "build-operator":
            provider.build_operator(asked.image)


def _remember(asked: argparse.Namespace, cache: Cache, way: Way) -> None:
    """Keep in mind which way was gone, for as long as something of it is left."""
    if asked.command != "down":
        begin(cache, way)
    elif asked.all or way is Way.PULLED:
        end(cache)


def _provider(way: Way, cache: Cache, progress: Progress) -> Provider:
    match way:
        case Way.CURRENT:
            return Current(cache, progress)
        case Way.PULLED:
            return Pulled(cache, progress)
        case Way.PACKAGED:
            return Packaged(cache, progress)


def exports(environment: dict[str, str], cache: Cache) -> str:
    """Lines for a shell to evaluate."""
    if not environment:
        return ""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    return "\n".join([*lines, f'export PATH={shlex.quote(str(cache.bin))}:"$PATH"'])


def _status(way: Way, provider: Provider) -> None:
    shell = provider.shell()
    print(f"way      {way.value}")
    for name, command in {
        "docker": ("docker", "version", "--format={{.Server.Version}}"),
        "cluster": ("kubectl", "get", "nodes", "--no-headers"),
    }.items():
        try:
            print(f"{name:8} {shell.output(*command, seconds=10)}")
        except ClusterError:
            print(f"{name:8} does not answer")
