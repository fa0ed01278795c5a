"""Certificates for servers on loopback, each its own authority."""

import subprocess
from pathlib import Path


def make_certificate(folder: Path, name: str) -> None:
    """Write tls.crt and tls.key into `folder`, in the place of those that are there."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", *curve, *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    key.replace(folder / "tls.key")
    certificate.replace(folder / "tls.crt")
