"""A certificate authority of our own, for the names that a server in the cluster answers for.

Made once and kept: Ray's image trusts it, so a new one would mean a new image. Its key never
leaves the cache; nothing outside the test cluster trusts it.
"""

from dataclasses import dataclass
from pathlib import Path

from hack.cluster.cache import Cache, whole
from hack.cluster.shell import Shell

# The names that the samples' code is fetched from.
NAMES = ("github.com", "codeload.github.com")
DAYS = "3650"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where they lie."""

    folder: Path

    @property
    def authority(self) -> Path:
        """Whom to trust."""
        return self.folder / "ca.crt"

    @property
    def server(self) -> Path:
        """What the server shows."""
        return self.folder / "tls.crt"

    @property
    def server_key(self) -> Path:
        """And proves."""
        return self.folder / "tls.key"


def kept(cache: Cache) -> Certificates:
    """Where the cache has them, or will."""
    return Certificates(cache.root / "certificates")


def made(cache: Cache, openssl: Shell) -> Certificates:
    """The certificates, made first if they are missing."""
    certificates = kept(cache)
    if not certificates.folder.exists():
        with whole(certificates.folder) as new:
            new.mkdir(mode=0o700)
            _make(new, openssl)
    return certificates


def _make(folder: Path, shell: Shell) -> None:
    new = Certificates(folder)
    authority_key = folder / "ca.key"
    request = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", DAYS)
    shell.run(
        *(*request, "-subj", "/CN=ray-operator test cluster"),
        *("-keyout", authority_key, "-out", new.authority),
    )
    shell.run(
        *(*request, "-subj", f"/CN={NAMES[0]}", "-CA", new.authority, "-CAkey", authority_key),
        *("-addext", f"subjectAltName={','.join(f'DNS:{name}' for name in NAMES)}"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-keyout", new.server_key, "-out", new.server),
    )
