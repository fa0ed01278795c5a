"""Images from our Dockerfiles: the operator's, Ray's, a small shell's; and the base they share.

Each Dockerfile takes its base as an argument, so that it works where images can be pulled
and where the base is made from packages. An image's own tag carries the hash of its inputs.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from hack.cluster import network, packages
from hack.cluster.cache import Cache, key
from hack.cluster.outlet import outlet
from hack.cluster.shell import Shell
from hack.cluster.versions import RAY, REPOSITORY

IMAGES = REPOSITORY / "hack" / "images"

# Python for Ray and the operator, and the tools that Ray's image has and its probes use.
BASE_PACKAGES = (
    *("bash", "busybox", "ca-certificates", "curl", "passwd", "procps", "wget"),
    *("libstdc++6", "python3", "python3-pip", "python3-venv"),
)
BASE_LINKS = (
    'ln -s /usr/bin/python3 "$1/usr/local/bin/python"',
    'ln -s /usr/bin/busybox "$1/usr/local/bin/nslookup"',
)

# Where a machine keeps the certificates that it trusts, unless the environment says.
CA_BUNDLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
DEFAULT_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True, slots=True)
class Docker:
    """A daemon that images are built by, and what they are built on."""

    cache: Cache
    shell: Shell
    isolated: bool
    """The daemon has no way out of its own; builds are lent one."""


@dataclass(frozen=True, slots=True)
class Build:
    """One `docker build`."""

    folder: Path
    name: str
    arguments: Mapping[str, str] = field(default_factory=dict)


def exists(docker: Docker, name: str) -> bool:
    """Does the daemon have it?"""
    return docker.shell.succeeds("docker", "image", "inspect", name)


def build(docker: Docker, what: Build) -> None:
    """Build; the image gets its name at the end, when it is whole."""
    way_out = outlet(network.HOST_ADDRESS) if docker.isolated else nullcontext(None)
    with way_out as proxy, tempfile.TemporaryDirectory() as secrets:
        arguments = {**what.arguments, **_proxies(proxy)}
        docker.shell.run(
            *("docker", "build", "--progress=plain", *_secrets(Path(secrets))),
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            *(f"--tag={what.name}", what.folder),
        )


def _proxies(proxy: str | None) -> dict[str, str]:
    """Docker knows these arguments by itself, and leaves them out of the image."""
    return {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy} if proxy else {}


def _secrets(folder: Path) -> list[str]:
    """What a build's pip needs of this host: the certificates it trusts, its index."""
    lines = ["[global]", "disable-pip-version-check = true", "timeout = 60"]
    if index := _pip_index():
        lines.append(f"index-url = {index}")
    flags = []
    if bundle := _ca_bundle():
        lines.append("cert = /run/secrets/ca.crt")
        flags.append(f"--secret=id=ca.crt,src={bundle}")
    configuration = folder / "pip.conf"
    configuration.write_text("\n".join(lines) + "\n")
    return [*flags, f"--secret=id=pip.conf,src={configuration}"]


def _ca_bundle() -> Path | None:
    named = (Path(os.environ[name]) for name in CA_BUNDLES if os.environ.get(name))
    return next((path for path in (*named, DEFAULT_CA_BUNDLE) if path.is_file()), None)


def _pip_index() -> str:
    """The index that the host's pip is told to use, if it is told of one."""
    return subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()


def base_name() -> str:
    """The name of the base from packages, which says what it is made of."""
    return f"ray-operator/base:{key(packages.SUITE, *BASE_PACKAGES, *BASE_LINKS)}"


def base(docker: Docker) -> str:
    """Have a base from Debian's packages; its name."""
    name = base_name()
    if not exists(docker, name):
        tree = docker.cache.root / "base.tar"
        try:
            packages.tree(docker.cache, BASE_PACKAGES, tree, *BASE_LINKS)
            docker.shell.run("docker", "import", '--change=CMD ["sh"]', tree, name)
        finally:
            tree.unlink(missing_ok=True)
    return name


def ray_name(base_name: str, authority: Path) -> str:
    """The name of Ray's image on this base, trusting this authority."""
    return f"ray-operator/ray:{key(IMAGES / 'ray', base_name, RAY, authority)}"


def ray(docker: Docker, base_name: str, authority: Path) -> str:
    """Have Ray's image; its name."""
    name = ray_name(base_name, authority)
    if not exists(docker, name):
        with tempfile.TemporaryDirectory() as temporary:
            context = Path(temporary)
            shutil.copyfile(IMAGES / "ray/Dockerfile", context / "Dockerfile")
            shutil.copyfile(authority, context / "ca.crt")
            build(docker, Build(context, name, {"BASE": base_name, "RAY_VERSION": RAY}))
    return name


def shell_name(base_name: str) -> str:
    """The name of the small image with a shell."""
    return f"ray-operator/shell:{key(IMAGES / 'shell', base_name)}"


def shell(docker: Docker, base_name: str) -> str:
    """Have the small image with a shell; its name."""
    name = shell_name(base_name)
    if not exists(docker, name):
        build(docker, Build(IMAGES / "shell", name, {"BASE": base_name}))
    return name


def operator(docker: Docker, base_name: str, name: str) -> None:
    """Build the operator's image; Docker's own cache makes a rebuild quick."""
    build(docker, Build(REPOSITORY, name, {"BASE": base_name}))


def tag(docker: Docker, name: str, others: tuple[str, ...]) -> None:
    """Give an image further names."""
    for other in others:
        docker.shell.run("docker", "tag", name, other)
