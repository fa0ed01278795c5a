"""The cluster itself, by kind: created, judged, deleted.

A cluster that does not answer is replaced, not mended: it is for tests, and a new one takes
half a minute.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.kubectl import apply_text
from hack.cluster.shell import Shell
from hack.cluster.versions import HERE

NAME = "ray-operator"
NODE = f"{NAME}-control-plane"

READY = "120s"
# A daemon that was restarted has its node back within this time, or not at all.
ANSWER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Cluster:
    """One kind cluster, and a shell that has kind, kubectl, Docker and KUBECONFIG."""

    shell: Shell
    kubeconfig: Path
    node_image: str
    config: str


def config(*, address: str | None = None, coredns: str | None = None) -> str:
    """Text of a configuration for kind.

    With ``address``, the API server is published there rather than on the loopback, and the
    node brings its own pod network. ``coredns`` is the version of ours in the node.
    """
    text = (HERE / "manifests/kind.yaml").read_text()
    if address:
        networking = {"apiServerAddress": address, "apiServerPort": 6443, "disableDefaultCNI": True}
        text += f"networking: {json.dumps(networking)}\n"
    if coredns:
        patch = json.dumps({"kind": "ClusterConfiguration", "dns": {"imageTag": coredns}})
        text += f"kubeadmConfigPatches: {json.dumps([patch])}\n"
    return text


def create(cluster: Cluster) -> None:
    """Create it in place of one that is there."""
    delete(cluster.shell)
    cluster.shell.run(
        *("kind", "create", "cluster", "--name", NAME, "--image", cluster.node_image),
        *("--kubeconfig", cluster.kubeconfig, "--config", "-", "--wait", READY),
        stdin=cluster.config.encode(),
    )


def settle(shell: Shell) -> None:
    """Have what every test relies on: pods that ask for little."""
    apply_text(shell, (HERE / "manifests/tiny-requests.yaml").read_text())


def answers(cluster: Cluster) -> bool:
    """Is there a cluster of this node image, that answers and has a Ready node?"""
    shell = cluster.shell
    if not cluster.kubeconfig.exists() or _image_of_node(shell) != _id(shell, cluster.node_image):
        return False
    return shell.succeeds(
        *("kubectl", "wait", "--for=condition=Ready", f"node/{NODE}"),
        f"--timeout={ANSWER_SECONDS}s",
        seconds=2 * ANSWER_SECONDS,
    )


def _image_of_node(shell: Shell) -> str:
    running = ("docker", "container", "inspect", "--format={{.State.Running}} {{.Image}}", NODE)
    if not shell.succeeds(*running):
        return ""
    state, image = shell.output(*running).split()
    return image if state == "true" else ""


def _id(shell: Shell, image: str) -> str:
    inspect = ("docker", "image", "inspect", "--format={{.Id}}", image)
    return shell.output(*inspect) if shell.succeeds(*inspect) else "none"


def delete(shell: Shell) -> None:
    """Delete it, if there is one."""
    shell.run("kind", "delete", "cluster", "--name", NAME)


def load(shell: Shell, *images: str) -> None:
    """Bring images from the Docker daemon into the node."""
    shell.run("kind", "load", "docker-image", "--name", NAME, *images)
