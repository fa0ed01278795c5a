"""The cluster's pure parts: whose processes are ours, what is served, what is configured."""

import io
import zipfile
from pathlib import Path

from hack.cluster.cache import Cache
from hack.cluster.commands import exports
from hack.cluster.kind_cluster import config
from hack.cluster.processes import Process, descendants, ours
from hack.cluster.sample_web import bundle, with_rewrites

CACHE = Cache(Path("/cache"))

DOCKERD = Process(10, 1, ("dockerd", "--pidfile", "/cache/run/docker.pid"))
ORPHAN = Process(20, 1, ("/p/containerd-shim-runc-v2", "-address", "/cache/run/docker/c.sock"))
SYSTEMD = Process(21, 20, ("/sbin/init",))
KUBELET = Process(22, 21, ("/usr/bin/kubelet",))
READER = Process(30, 1, ("tail", "-f", "/cache/run/docker.log"))
STRANGER = Process(40, 1, ("dockerd", "--pidfile", "/var/run/docker.pid"))
ALL = {p.pid: p for p in (DOCKERD, ORPHAN, SYSTEMD, KUBELET, READER, STRANGER)}


def test_ours_are_daemons_that_use_our_folder_and_nothing_else() -> None:
    assert ours(CACHE, ALL.values()) == [DOCKERD, ORPHAN]


def test_an_orphaned_node_goes_with_all_that_runs_in_it() -> None:
    assert descendants([ORPHAN], ALL) == [20, 21, 22]


def test_a_bundle_has_one_folder_as_github_makes_them() -> None:
    names = zipfile.ZipFile(io.BytesIO(bundle("abc"))).namelist()
    assert {"test_dag-abc/fruit.py", "test_dag-abc/conditional_dag.py"} < set(names)
    assert all(name.startswith("test_dag-abc/") for name in names)


def test_a_bundle_is_the_same_each_time() -> None:
    assert bundle("abc") == bundle("abc")


def test_names_are_turned_once() -> None:
    corefile = ".:53 {\n    errors\n    kubernetes cluster.local\n}\n"
    turned = with_rewrites(corefile)
    assert turned.startswith(".:53 {\n    rewrite name exact github.com sample-web.")
    assert turned.endswith("    errors\n    kubernetes cluster.local\n}\n")
    assert with_rewrites(turned) == turned


def test_stock_kind_keeps_its_own_network() -> None:
    assert "disableDefaultCNI" not in config()
    assert '"disableDefaultCNI": true' in config(address="10.98.0.2")


def test_a_shell_can_evaluate_the_environment() -> None:
    lines = exports({"KUBECONFIG": "/a folder/kubeconfig"}, CACHE).splitlines()
    assert lines == [
        "export KUBECONFIG='/a folder/kubeconfig'",
        'export PATH=/cache/bin:"$PATH"',
    ]


def test_the_current_cluster_needs_no_environment() -> None:
    assert exports({}, CACHE) == ""
