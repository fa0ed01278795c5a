"""What a person can ask for."""

import argparse

from hack.cluster import binaries
from hack.cluster.cache import Cache
from hack.cluster.progress import Progress


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m hack.cluster")
    parser.add_argument("command", choices=["binaries"])
    parser.parse_args()
    with Progress() as progress:
        plane = binaries.control_plane(Cache.default(), progress)
    print(plane.etcd, plane.kube_apiserver, sep="\n")
    return 0
