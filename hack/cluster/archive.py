"""A Docker archive of images that share one layer and differ in what they start."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

# The same files make the same image, whenever it is made.
EPOCH = "1970-01-01T00:00:00Z"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def write(archive: Path, tree: Path, images: Mapping[str, str | None]) -> None:
    """Images by name, each with the program that it starts (``None``: the pod says)."""
    layer = archive.with_suffix(".layer")
    try:
        with tarfile.open(layer, "w") as tar:
            tar.add(tree, arcname=".", filter=_plain)
        digest = _digest(layer)
        with tarfile.open(archive, "w") as tar:
            tar.add(layer, arcname=f"{digest}.tar")
            entries = [_image(tar, digest, name, start) for name, start in images.items()]
            _add(tar, "manifest.json", json.dumps(entries).encode())
    finally:
        layer.unlink(missing_ok=True)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _image(tar: tarfile.TarFile, layer: str, name: str, start: str | None) -> dict[str, object]:
    configuration = {
        "architecture": "amd64",
        "os": "linux",
        "created": EPOCH,
        "config": {"Env": [f"PATH={PATH}"], "Entrypoint": [start] if start else None},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created": EPOCH, "comment": name}],
    }
    text = json.dumps(configuration).encode()
    file = f"{hashlib.sha256(text).hexdigest()}.json"
    _add(tar, file, text)
    return {"Config": file, "RepoTags": [name], "Layers": [f"{layer}.tar"]}


def _add(tar: tarfile.TarFile, name: str, text: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(text)
    tar.addfile(member, io.BytesIO(text))
