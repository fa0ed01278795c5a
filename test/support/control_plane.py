"""A real kube-apiserver and etcd on loopback, for tests that need no kubelet.

Two processes, ready within seconds, shared by all tests of a session.  Several sessions can run at
once: ports are free ones, and all files lie in a directory of the session's own.  There is no
controller-manager: nobody collects garbage, makes ServiceAccounts or fills EndpointSlices but the
test itself.
"""

import contextlib
import os
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from hack.cluster.binaries import control_plane as programs

CRDS = Path(__file__).parents[2] / "config" / "crd" / "bases"
START_SECONDS = 60
"""Usually 5; while the other core compiles Kubernetes, 20."""
END_SECONDS = 10
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running API server. `kubeconfig` is an administrator's."""

    url: str
    kubeconfig: Path
    ca: Path
    token: str
    folder: Path

    def kubeconfig_with(self, token: str) -> Path:
        """Write a kubeconfig for somebody else's token (a ServiceAccount's, say)."""
        path = self.folder / f"kubeconfig-{secrets.token_hex(4)}"
        return write_kubeconfig(path, self.url, token, self.ca)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as administrator; return what it prints.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        done = subprocess.run(
            ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "HOME": str(self.folder)},
        )
        if done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def apply_crds(self, folder: Path = CRDS) -> None:
        """Apply the CRDs of config/crd/bases and wait until they are served."""
        self.kubectl("apply", "-f", str(folder))
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")


@contextlib.contextmanager
def running_control_plane(
    folder: Path, ports: tuple[int, int, int] | None = None
) -> Iterator[ControlPlane]:
    """Start etcd and kube-apiserver with their files in `folder`; stop them at the end.

    `ports` are etcd's two and the API server's; free ones unless given.
    """
    found = programs()
    client, peer, port = ports or free_ports(3)
    etcd_url, url = f"http://127.0.0.1:{client}", f"https://127.0.0.1:{port}"
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    key = folder / "service-account.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    etcd = [
        str(found.etcd),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={etcd_url}",
        f"--advertise-client-urls={etcd_url}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",  # a crash of the machine may lose a test's data
        "--log-level=error",
    ]
    api_server = [
        str(found.kube_apiserver),
        f"--etcd-servers={etcd_url}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",  # loopback is no endpoint
        f"--cert-dir={folder / 'certificates'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/20",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--disable-admission-plugins=ServiceAccount",  # nobody makes the default accounts
        "--allow-privileged=true",
        "--v=0",
    ]
    with _running(etcd, folder / "etcd.log"), _running(api_server, folder / "apiserver.log"):
        ca = folder / "certificates" / "apiserver.crt"
        _wait_until_ready(url, ca, token, folder / "apiserver.log")
        kubeconfig = write_kubeconfig(folder / "kubeconfig", url, token, ca)
        yield ControlPlane(url, kubeconfig, ca, token, folder)


def write_kubeconfig(path: Path, url: str, token: str, ca: Path | None = None) -> Path:
    """Write a kubeconfig with one context."""
    cluster = {"server": url} | ({"certificate-authority": str(ca)} if ca else {})
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path.write_text(yaml.safe_dump(document))
    return path


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on; all are held until the last is known."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(url: str, ca: Path, token: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    request = urllib.request.Request(  # noqa: S310 - our own loopback URL
        f"{url}/readyz", headers={"Authorization": f"Bearer {token}"}
    )
    while time.monotonic() < deadline:
        try:
            context = ssl.create_default_context(cafile=str(ca))
            with urllib.request.urlopen(request, timeout=5, context=context):  # noqa: S310 - same
                return
        except (OSError, urllib.error.URLError):
            time.sleep(POLL_SECONDS)
    raise TimeoutError(f"kube-apiserver is not ready:\n{log.read_text()[-2000:]}")
