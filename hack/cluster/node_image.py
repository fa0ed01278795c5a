"""kind's node image, made from Debian's packages, kind's own files and our binaries.

It follows kind's images/base/Dockerfile (in the Go module of the same version), less what a
single node does without: NFS, iSCSI, fuse-overlayfs, kindnetd, local-path storage. The images
that kubeadm asks for are one layer with all the programs; they and Ray's lie in the node's
containerd from the start.
"""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from hack.cluster import archive, binaries, packages
from hack.cluster.cache import Cache, key, remove
from hack.cluster.images import Docker
from hack.cluster.shell import Shell, wait_until
from hack.cluster.versions import COREDNS, HERE, KUBERNETES

FILES = HERE / "node"

PACKAGES = (
    *("bash", "ca-certificates", "conntrack", "containerd", "curl", "e2fsprogs", "ethtool"),
    *("iproute2", "iptables", "jq", "kmod", "libseccomp2", "mount", "nftables", "pigz"),
    *("procps", "runc", "socat", "systemd", "systemd-sysv", "util-linux"),
)

CNI_PLUGINS = ("bridge", "loopback", "portmap", "host-local")

# Units that a container has no use for, as kind's Dockerfile has it.
UNWANTED_UNITS = (
    "lib/systemd/system/multi-user.target.wants/*",
    "lib/systemd/system/local-fs.target.wants/*",
    "lib/systemd/system/basic.target.wants/*",
    "lib/systemd/system/sockets.target.wants/*udev*",
    "lib/systemd/system/sockets.target.wants/*initctl*",
    "lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
    "etc/systemd/system/*.wants/*",
)

# kube-proxy writes its rules with these, and without their plugins' libraries only some
# Services break, silently.
LIBRARY_FOLDER = "usr/lib/x86_64-linux-gnu"
IPTABLES_NAMES = (
    *("iptables", "iptables-save", "iptables-restore"),
    *("ip6tables", "ip6tables-save", "ip6tables-restore"),
)

# docker import knows no STOPSIGNAL; SIGRTMIN+3 is what stops systemd.
METADATA = b"""
FROM ray-operator/node-tree
ENV container=docker
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
"""


def name_of(cache: Cache, preloaded: Sequence[str]) -> str:
    """The image's name, which says what it is made of."""
    recipe = (FILES, Path(__file__), Path(archive.__file__))
    made_of = (binaries.folder_of(cache).name, packages.SUITE, *PACKAGES, *preloaded)
    return f"ray-operator/node:{KUBERNETES}-{key(*recipe, *made_of)}"


def tree(cache: Cache) -> Path:
    """The bare Debian tree; made anew each time, since ``build`` fills and removes it."""
    target = cache.root / "node-tree"
    remove(target)
    packages.tree(cache, PACKAGES, target)
    return target


def build(docker: Docker, root: Path, name: str, preloaded: Path) -> None:
    """Make the image of the bare tree ``root``; ``preloaded`` is an archive of images."""
    try:
        _kind_files(docker.cache, root)
        _kubernetes(docker.cache, root)
        _pod_network(root)
        kubeadm = _kubeadm_images(docker.cache, root)
        _preload(docker.cache, root, [kubeadm, preloaded])
        kubeadm.unlink()
        _import(docker, root, name)
    finally:
        remove(root)


def _kind_files(cache: Cache, root: Path) -> None:
    source = binaries.kind_source(cache) / "images" / "base" / "files"
    _copy(source, root)
    for pattern in UNWANTED_UNITS:
        for unit in root.glob(pattern):
            unit.unlink()
    for folder in ("etc/kubernetes/manifests", "etc/cni/net.d", "opt/cni/bin", "kind/manifests"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    with (root / "etc/systemd/journald.conf").open("a") as journald:
        journald.write("ReadKMsg=no\n")
    for program in ("containerd", "ctr", "containerd-shim-runc-v2"):
        (root / "usr/local/bin" / program).symlink_to(f"/usr/bin/{program}")
    _containerd(cache, root)
    chroot = Shell(cache.logs / "node-image.log", prefix=("chroot", str(root)))
    chroot.run("systemctl", "enable", "kubelet", "containerd", "undo-mount-hacks")
    chroot.run("systemctl", "mask", "systemd-binfmt")


def _copy(source: Path, root: Path) -> None:
    """A Go module's files are read-only and none is executable."""
    for file in (path for path in source.rglob("*") if path.is_file()):
        target = root / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        target.chmod(0o755 if file.parent.name == "bin" else 0o644)


def _containerd(cache: Cache, root: Path) -> None:
    """As kind's, but that no process is to be spared by the OOM killer.

    The kubelet asks for scores below 0, which need the capability that some machines withhold.
    """
    path = root / "etc/containerd/config.toml"
    path.write_text(
        path.read_text().replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
    )
    chroot = Shell(cache.logs / "node-image.log", prefix=("chroot", str(root)))
    spec = json.loads(chroot.output("ctr", "oci", "spec"))
    spec.setdefault("hooks", {}).setdefault("createContainer", []).append(
        {"path": "/kind/bin/mount-product-files.sh"}
    )
    spec["process"].pop("rlimits", None)
    (root / "etc/containerd/cri-base.json").write_text(json.dumps(spec))


def _kubernetes(cache: Cache, root: Path) -> None:
    programs = binaries.folder_of(cache)
    _place(programs / "kube", root / "usr/bin/kube")
    for name in ("kubelet", "kubeadm"):
        (root / "usr/bin" / name).symlink_to("kube")
    _place(binaries.kubectl(cache), root / "usr/bin/kubectl")
    for plugin in CNI_PLUGINS:
        _place(programs / plugin, root / "opt/cni/bin" / plugin)
    (root / "kind/version").write_text(f"{KUBERNETES}\n")


def _place(program: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(program, target)
    target.chmod(0o755)


def _pod_network(root: Path) -> None:
    """One node needs no daemon for it: a bridge with the node's range of addresses."""
    shutil.copyfile(FILES / "pod-network.conflist", root / "kind/pod-network.conflist")
    _place(FILES / "pod-network", root / "kind/bin/pod-network")
    units = root / "etc/systemd/system"
    shutil.copyfile(FILES / "pod-network.service", units / "pod-network.service")
    wanted = units / "multi-user.target.wants"
    (wanted / "pod-network.service").symlink_to("/etc/systemd/system/pod-network.service")


def _kubeadm_images(cache: Cache, root: Path) -> Path:
    """An archive of the images that kubeadm and the node's containerd ask for."""
    programs = binaries.folder_of(cache)
    layer = cache.root / "kubeadm-images"
    remove(layer)
    try:
        for name in ("kube", "etcd"):
            _place(programs / name, layer / "usr/local/bin" / name)
        for name in binaries.KUBE_NAMES:
            (layer / "usr/local/bin" / name).symlink_to("kube")
        for name in ("coredns", "pause"):
            _place(programs / name, layer / name)
        _iptables(cache, root, layer)
        images = layer.with_suffix(".tar")
        archive.write(images, layer, _image_names(cache, root))
    finally:
        remove(layer)
    return images


def _image_names(cache: Cache, root: Path) -> dict[str, str | None]:
    """The images by the names that will be asked for, and what each starts by itself."""
    kubeadm = Shell(cache.logs / "node-image.log").output(
        *(binaries.folder_of(cache) / "kubeadm", "config", "images", "list"),
        *("--kubernetes-version", KUBERNETES),
    )
    config = (root / "etc/containerd/config.toml").read_text()
    pause = re.findall(r'sandbox_image = "(.*)"', config)
    names: dict[str, str | None] = dict.fromkeys(kubeadm.splitlines() + pause)
    for name in list(names):
        program = name.rpartition("/")[2].partition(":")[0]
        if program == "coredns":
            del names[name]
            names[f"{name.rpartition(':')[0]}:{COREDNS}"] = "/coredns"
        elif program == "pause":
            names[name] = "/pause"
    return names


def _iptables(cache: Cache, root: Path, layer: Path) -> None:
    program, plugins = "usr/sbin/xtables-nft-multi", f"{LIBRARY_FOLDER}/xtables"
    _place(root / program, layer / program)
    for name in IPTABLES_NAMES:
        (layer / "usr/sbin" / name).symlink_to("xtables-nft-multi")
    shutil.copytree(root / plugins, layer / plugins, symlinks=True)
    wanting = [f"/{program}", *(f"/{plugins}/{file.name}" for file in (root / plugins).iterdir())]
    for library in _libraries(cache, root, wanting):
        _place(root / library.lstrip("/"), layer / library.lstrip("/"))
    for folder in ("etc", "run", "tmp"):
        (layer / folder).mkdir(exist_ok=True)


def _libraries(cache: Cache, root: Path, programs: Sequence[str]) -> set[str]:
    """The shared libraries that these are linked with, the loader included."""
    chroot = Shell(cache.logs / "node-image.log", prefix=("chroot", str(root)))
    return set(re.findall(r"(/\S+\.so\S*) \(0x", chroot.output("ldd", *programs)))


def _preload(cache: Cache, root: Path, archives: Sequence[Path]) -> None:
    """Put images where the node's containerd will look, by a containerd on the host.

    They are unpacked on the node: snapshots do not survive the layers of a Docker image.
    """
    state = cache.run / "preload"
    state.mkdir(parents=True, exist_ok=True)
    configuration = state / "config.toml"
    configuration.write_text(
        'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[plugins."io.containerd.internal.v1.opt"]\n  path = "{state}/opt"\n'
    )
    shell = packages.tools(cache, "preload")
    address = ("--address", f"{state}/containerd.sock")
    with shell.background(
        *("containerd", "--config", configuration, *address),
        *("--root", root / "var/lib/containerd", "--state", state / "state"),
    ):
        wait_until(lambda: shell.succeeds("ctr", *address, "version"), 30, "containerd to answer")
        for images in archives:
            shell.run(
                *("ctr", *address, "--namespace=k8s.io", "images", "import", "--no-unpack"), images
            )


def _import(docker: Docker, root: Path, name: str) -> None:
    docker.shell.pipe(
        ("tar", "-C", root, "--one-file-system", "--exclude=./dev/*", "-c", "."),
        ("docker", "import", "-", "ray-operator/node-tree"),
    )
    docker.shell.run("docker", "build", "--tag", name, "-", stdin=METADATA)
    docker.shell.run("docker", "rmi", "ray-operator/node-tree")
