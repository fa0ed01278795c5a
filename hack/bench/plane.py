"""A control plane on loopback: etcd in memory, Kubernetes' own programs, nodes played by kwok.

Nothing in it has a client-side rate limit: what is measured is the operator, and beside it the
least that these programs take for the same objects.
"""

import asyncio
import contextlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import yaml

from hack.bench import manifests
from hack.bench.api import Access, Api, Refused
from hack.bench.audit import AuditLog
from hack.bench.process import Process
from hack.cluster.binaries import ControlPlane as Programs
from ray_operator.operator.documents import get_object, get_objects, get_text

HERE = Path(__file__).parent
CONFIG = HERE.parent.parent / "config"
KUBECTL = Path(sys.executable).with_name("kubectl")
MEMORY = Path("/dev/shm")  # noqa: S108 - a memory file system is the point
NODES = 200
START_SECONDS = 120
POLL_SECONDS = 0.1
SYSTEM_NAMESPACE = "ray-system"
OPERATOR = f"system:serviceaccount:{SYSTEM_NAMESPACE}:ray-operator"
FLOOR = f"system:serviceaccount:{SYSTEM_NAMESPACE}:floor"
GROUPS = f"system:serviceaccounts,system:serviceaccounts:{SYSTEM_NAMESPACE}"
"""The API server's priority and fairness treats both like any pod's requests, as in a cluster."""
UNLIMITED = ("--kube-api-qps=10000", "--kube-api-burst=10000")


@dataclass(frozen=True, slots=True)
class Plane:
    """A running control plane."""

    folder: Path
    user: Access
    floor: Access
    operator: Access
    audit: AuditLog
    processes: Mapping[str, Process]

    def kubeconfig(self, access: Access) -> Path:
        """Write a kubeconfig; an `Access` to another URL than the API server's is plain HTTP."""
        return _kubeconfig(self.folder / f"kubeconfig-{secrets.token_hex(4)}", access)

    @property
    def cpu_seconds(self) -> float:
        """What all its programs used so far."""
        return sum(process.cpu_seconds for process in self.processes.values())

    def check(self) -> None:
        """See whether everything runs.

        Raises:
            RuntimeError: something ended.
        """
        for process in self.processes.values():
            process.check()


@contextlib.asynccontextmanager
async def a_plane(programs: Programs, kwok: Path) -> AsyncIterator[Plane]:
    """Start everything afresh; end it and remove its files afterwards."""
    folder = _folder()
    try:
        with contextlib.ExitStack() as stack:
            plane = _start(programs, kwok, folder, stack)
            await _prepare(plane)
            yield plane
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    """In memory, where there is such a file system: a disk's speed is nobody's merit."""
    return Path(
        tempfile.mkdtemp(prefix="ray-operator-bench-", dir=MEMORY if MEMORY.is_dir() else None)
    )


def _start(programs: Programs, kwok: Path, folder: Path, stack: contextlib.ExitStack) -> Plane:
    client, peer, port, manager, scheduler = free_ports(5)
    tokens = {name: secrets.token_hex(16) for name in ("user", "floor", "operator")}
    (folder / "tokens.csv").write_text(
        f'{tokens["user"]},user,user,"system:masters"\n'
        f'{tokens["floor"]},{FLOOR},floor,"{GROUPS}"\n'
        f'{tokens["operator"]},{OPERATOR},operator,"{GROUPS}"\n'
    )
    key = folder / "service-account.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    url, ca = f"https://127.0.0.1:{port}", folder / "certificates" / "apiserver.crt"
    access = {name: Access(url, ca, token) for name, token in tokens.items()}
    admin = _kubeconfig(folder / "kubeconfig", access["user"])
    commands = {
        "etcd": _etcd(programs, folder, client, peer),
        "kube-apiserver": _api_server(programs, folder, client, port),
        "kube-controller-manager": [
            str(programs.kube_controller_manager),
            f"--kubeconfig={admin}",
            f"--service-account-private-key-file={key}",
            f"--root-ca-file={ca}",
            "--leader-elect=false",
            # Nodes are ready and have no heartbeat: see kwok.yaml.
            "--controllers=*,-node-lifecycle-controller,-node-ipam-controller",
            "--bind-address=127.0.0.1",
            f"--secure-port={manager}",
            *UNLIMITED,
        ],
        "kube-scheduler": [
            str(programs.kube_scheduler),
            f"--kubeconfig={admin}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={scheduler}",
            *UNLIMITED,
        ],
        "kwok": [str(kwok), f"--kubeconfig={admin}", f"--config={HERE / 'kwok.yaml'}"],
    }
    processes = {}
    for name, command in commands.items():
        processes[name] = Process.start(command, folder / f"{name}.log", {"HOME": str(folder)})
        stack.callback(processes[name].kill)  # nothing of it is kept
        if name == "kube-apiserver":
            _wait_for_certificate(ca, processes[name])
    return Plane(
        folder=folder,
        user=access["user"],
        floor=access["floor"],
        operator=access["operator"],
        audit=AuditLog(folder / "audit.log"),
        processes=processes,
    )


def _etcd(programs: Programs, folder: Path, client: int, peer: int) -> list[str]:
    return [
        str(programs.etcd),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",
        f"--quota-backend-bytes={8 << 30}",  # a burst of 1,000 clusters writes about 1 GiB
        "--log-level=error",
    ]


def _api_server(programs: Programs, folder: Path, etcd: int, port: int) -> list[str]:
    key = folder / "service-account.key"
    return [
        str(programs.kube_apiserver),
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",  # loopback is no endpoint
        f"--cert-dir={folder / 'certificates'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/12",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        # It would taint new nodes, and who removes the taint does not run here.
        "--disable-admission-plugins=TaintNodesByCondition",
        f"--audit-policy-file={HERE / 'audit_policy.yaml'}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--audit-log-maxsize=4000",  # MB: never rotated within a run
        "--v=0",
    ]


def _wait_for_certificate(ca: Path, server: Process) -> None:
    """Wait for the file that every kubeconfig names: its readers read it once, at their start."""
    deadline = time.monotonic() + START_SECONDS
    while not ca.exists():
        server.check()
        if time.monotonic() > deadline:
            raise TimeoutError("kube-apiserver has written no certificate")
        time.sleep(POLL_SECONDS)


async def _prepare(plane: Plane) -> None:
    """Wait until it answers, and put in what a cluster has: kinds, rights, nodes."""
    async with asyncio.timeout(START_SECONDS), Api(plane.user, connections=16) as api:
        await _until_ready(plane, api)
        await asyncio.to_thread(_apply, plane)
        await asyncio.gather(
            *(api.create("/api/v1/nodes", manifests.a_node(n)) for n in range(NODES))
        )
        while not await _nodes_are_ready(api):
            plane.check()
            await asyncio.sleep(POLL_SECONDS)


async def _until_ready(plane: Plane, api: Api) -> None:
    while True:
        plane.check()
        with contextlib.suppress(Refused, aiohttp.ClientError):
            # The last thing that a fresh API server makes for itself.
            await api.get("/api/v1/namespaces/kube-system/serviceaccounts/default")
            return
        await asyncio.sleep(POLL_SECONDS)


def _apply(plane: Plane) -> None:
    """The project's own manifests, and an administrator's rights for the floor."""
    for arguments in (
        ["apply", "-f", CONFIG / "default" / "namespace.yaml"],
        ["apply", "--server-side", "-f", CONFIG / "crd" / "bases"],
        ["apply", "-n", SYSTEM_NAMESPACE, "-k", CONFIG / "rbac"],
        ["create", "clusterrolebinding", "floor", "--clusterrole=cluster-admin", f"--user={FLOOR}"],
        ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"],
    ):
        done = subprocess.run(
            [KUBECTL, f"--kubeconfig={plane.folder / 'kubeconfig'}", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(map(str, arguments))}: {done.stderr}")


async def _nodes_are_ready(api: Api) -> bool:
    nodes = get_objects(await api.get("/api/v1/nodes"), "items")
    return len(nodes) == NODES and all(
        get_text(get_object(node, "status"), "phase") == "Running" for node in nodes
    )


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on; all are held until the last is known."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _kubeconfig(path: Path, access: Access) -> Path:
    authority = {"certificate-authority": str(access.ca)} if access.url.startswith("https") else {}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": {"server": access.url, **authority}}],
        "users": [{"name": "bench", "user": {"token": access.token}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }
    path.write_text(yaml.safe_dump(document))
    return path
