"""A cluster where a Docker daemon answers and pulls images: stock kind.

The user's own daemon and images stay as they are: what the samples' images are called here is
said on the node alone.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import binaries, certificates, images, kind_cluster, sample_web
from hack.cluster.cache import Cache, link
from hack.cluster.errors import ClusterError
from hack.cluster.images import Docker
from hack.cluster.kind_cluster import NODE, Cluster
from hack.cluster.progress import Progress
from hack.cluster.shell import Shell
from hack.cluster.versions import (
    KINDEST_NODE,
    PYTHON_IMAGE,
    RAY_IMAGE,
    RAY_NAMES,
    SHELL_NAMES,
)


@dataclass(frozen=True, slots=True)
class Pulled:
    """This way's cluster."""

    cache: Cache
    progress: Progress

    def up(self) -> None:
        """Have it up and ready for the samples."""
        if not shutil.which("openssl"):
            raise ClusterError("openssl is not on the path: install it")
        self._make_commands()
        made = certificates.made(self.cache, self.shell())
        self._create()
        ray, shell = self._make_images(made)
        self._name_on_node(ray, RAY_NAMES)
        self._name_on_node(shell, SHELL_NAMES)
        with self.progress.stage("Small requests, CoreDNS, the samples' code"):
            kind_cluster.settle(self.shell())
            sample_web.up(self.shell(), made)

    def down(self, *, everything: bool) -> None:
        """Delete the cluster; the daemon is not ours, so ``everything`` is no more."""
        del everything
        if (self.cache.bin / "kind").exists():
            with self.progress.stage("Delete the cluster"):
                kind_cluster.delete(self.shell())
        self.cache.kubeconfig.unlink(missing_ok=True)

    def load(self, *names: str) -> None:
        """Bring images into the node."""
        with self.progress.stage(f"Load {' '.join(names)}"):
            kind_cluster.load(self.shell(), *names)

    def build_operator(self, name: str) -> None:
        """Build the operator's image."""
        with self.progress.stage(f"Image {name}"):
            images.operator(self._docker(), PYTHON_IMAGE, name)

    def environment(self) -> dict[str, str]:
        """What a person's shell needs, besides the path."""
        return {"KUBECONFIG": str(self.cache.kubeconfig)}

    def shell(self) -> Shell:
        """Where kind and kubectl are on the path, pointing at this cluster."""
        path = Shell.path_with(self.cache.bin)
        return Shell(
            self.cache.logs / "cluster.log",
            {**self.environment(), "PATH": path, "DOCKER_BUILDKIT": "1"},
        )

    def _docker(self) -> Docker:
        return Docker(self.cache, self.shell(), isolated=False)

    def _make_commands(self) -> None:
        link(binaries.kubectl(self.cache), self.cache.bin / "kubectl")
        ours = self.cache.bin / "kind"
        kind = shutil.which("kind")
        if kind and Path(kind) != ours:
            link(Path(kind), ours)
        elif not kind:
            with self.progress.stage("Compile kind"):
                link(binaries.build(self.cache, ("kind",)) / "kind", ours)

    def _create(self) -> None:
        cluster = Cluster(self.shell(), self.cache.kubeconfig, KINDEST_NODE, kind_cluster.config())
        if kind_cluster.answers(cluster):
            return
        with self.progress.stage("Pull the node's image, create the cluster"):
            kind_cluster.create(cluster)

    def _make_images(self, made: certificates.Certificates) -> tuple[str, str]:
        with self.progress.stage("Images: Ray, a shell"):
            ray = images.ray(self._docker(), RAY_IMAGE, made.authority)
            return ray, images.shell(self._docker(), PYTHON_IMAGE)

    def _name_on_node(self, image: str, names: tuple[str, ...]) -> None:
        """Load once, then give it the names that manifests use."""
        self.load(image)
        for name in names:
            self.shell().run(
                *("docker", "exec", NODE, "ctr", "--namespace=k8s.io", "images", "tag", "--force"),
                *(f"docker.io/{image}", _full(name)),
            )


def _full(name: str) -> str:
    """As containerd knows it."""
    return f"docker.io/{name}" if "/" in name else f"docker.io/library/{name}"
