"""The program `ray-operator` as a process of its own, against a real API server."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ray_operator.operator.leader import LEASE_NAME
from support.control_plane import ControlPlane, free_ports, write_kubeconfig
from support.operator_process import PATIENCE_SECONDS, PROGRAM, Running, lease_holder, running

IDLE_KIB = 75 * 1024
"""The budget of rulings.md 29."""

CONTAINER = {"name": "ray", "image": "rayproject/ray:2.9.0"}
HEAD = {"rayStartParams": {}, "template": {"spec": {"containers": [CONTAINER]}}}
A_RAYCLUSTER = {
    "apiVersion": "ray.io/v1",
    "kind": "RayCluster",
    "metadata": {"name": "c"},
    "spec": {"headGroupSpec": HEAD},
}


@pytest.fixture
def operator(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Running]:
    """An operator that leads and whose caches are filled."""
    with running(control_plane.kubeconfig, namespace, tmp_path) as found:
        found.wait_for("the caches are filled")
        yield found


def test_it_leads_is_healthy_and_small(
    operator: Running, control_plane: ControlPlane, namespace: str
) -> None:
    assert lease_holder(control_plane, namespace) == "a"
    assert operator.probe("/healthz") == (200, "ok")
    assert operator.probe("/readyz") == (200, "ok")
    assert operator.series("ray_operator_leader") == 1
    status = Path(f"/proc/{operator.process.pid}/status").read_text().splitlines()
    resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    assert resident < IDLE_KIB


def test_the_series_of_the_peer_are_served(
    operator: Running, control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(A_RAYCLUSTER))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "kuberay_cluster_info{" not in (text := operator.scrape()):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)

    info = next(line for line in text.splitlines() if line.startswith("kuberay_cluster_info{"))
    assert f'name="c",namespace="{namespace}",owner_kind="None",uid="' in info
    assert 'condition="false"' in text


GRACE_SECONDS = 30
"""The Deployment's; after it the kubelet kills."""

LEASE_SECONDS = 15
"""Who had to wait the Lease out would need as much at least."""


def test_a_stop_releases_the_lease_and_is_no_failure(
    operator: Running, control_plane: ControlPlane, namespace: str
) -> None:
    code, seconds = operator.end()

    assert code == 0
    assert seconds < GRACE_SECONDS
    assert lease_holder(control_plane, namespace) == ""


def test_a_second_replica_takes_over_at_once_after_a_graceful_stop(
    operator: Running, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    with running(control_plane.kubeconfig, namespace, tmp_path, "b") as second:
        second.wait_for("listens")
        assert second.probe("/readyz") == (200, "ok")
        time.sleep(1)
        assert "leads" not in second.messages()

        operator.end()
        began = time.monotonic()
        second.wait_for("the caches are filled")

        assert time.monotonic() - began < LEASE_SECONDS
        assert lease_holder(control_plane, namespace) == "b"


def test_a_container_that_was_killed_leads_again_at_once(
    operator: Running, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    operator.end(signal.SIGKILL)
    with running(control_plane.kubeconfig, namespace, tmp_path) as again:
        again.wait_for("the caches are filled")

        assert time.monotonic() - again.began < LEASE_SECONDS


def test_a_lost_lease_ends_the_process_with_a_failure(
    operator: Running, control_plane: ControlPlane, namespace: str
) -> None:
    patch = json.dumps({"spec": {"holderIdentity": "somebody else"}})
    control_plane.kubectl(
        "patch", "lease", LEASE_NAME, "-n", namespace, "--type=merge", "-p", patch
    )

    assert operator.process.wait(PATIENCE_SECONDS) == 1
    assert "lost the lead" in operator.messages()
    assert lease_holder(control_plane, namespace) == "somebody else"


def test_missing_permissions_are_named_and_the_rest_works(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    control_plane.kubectl("create", "serviceaccount", "poor", "-n", namespace)
    may = [
        ("leases", "--resource=leases.coordination.k8s.io", "--verb=get,create,update"),
        ("clusters", "--resource=rayclusters.ray.io", "--verb=get,list,watch"),
        ("children", "--resource=pods,services", "--verb=get,list,watch"),
    ]
    for name, resource, verbs in may:
        control_plane.kubectl("create", "role", name, resource, verbs, "-n", namespace)
        control_plane.kubectl(
            "create",
            "rolebinding",
            name,
            f"--role={name}",
            f"--serviceaccount={namespace}:poor",
            "-n",
            namespace,
        )
    token = control_plane.kubectl("create", "token", "poor", "-n", namespace).strip()

    with running(control_plane.kubeconfig_with(token), namespace, tmp_path) as operator:
        operator.wait_for("the caches are filled")

        text = operator.log.read_text()
        assert 'cannot list resource \\"rayservices\\" in API group' in text
        assert 'cannot list resource \\"rayclusters\\"' not in text
        assert operator.probe("/readyz") == (200, "ok")
        assert operator.end()[0] == 0


def test_without_an_api_server_it_says_so_and_fails(namespace: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    kubeconfig = write_kubeconfig(tmp_path / "config", f"http://127.0.0.1:{port}", "token")
    with running(kubeconfig, namespace, tmp_path) as operator:
        assert operator.process.wait(PATIENCE_SECONDS) == 1
        assert "no connection" in operator.log.read_text()


def test_a_port_that_is_taken_is_named(
    operator: Running, control_plane: ControlPlane, namespace: str
) -> None:
    done = subprocess.run(
        [
            PROGRAM,
            f"--kubeconfig={control_plane.kubeconfig}",
            f"--watch-namespace={namespace}",
            f"--health-probe-bind-address=127.0.0.1:{operator.probes}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )

    assert done.returncode == 1
    assert f"can't listen on 127.0.0.1:{operator.probes}" in done.stdout


def test_a_wrong_flag_is_named() -> None:
    done = subprocess.run(
        [PROGRAM, "--batch-scheduler=slurm"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "slurm" in done.stderr
