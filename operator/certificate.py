"""A serving certificate in two files that somebody replaces from time to time (cert-manager, say).

The files are looked at in each handshake, which costs two `stat`: so there is no timer, and the
first client that comes after a renewal gets the new certificate.
"""

import ssl
from pathlib import Path

from ray_operator.operator.clock import Clock
from ray_operator.operator.complaints import Complaints
from ray_operator.operator.errors import SettingsError
from ray_operator.operator.logs import Logger

log = Logger(__name__)

_Stamp = tuple[tuple[int, int, int], ...]


class ServingCertificate:
    """Certificate (chain) and key, as PEM.

    Raises:
        SettingsError: they can't be read, or don't belong together.
    """

    def __init__(self, certificate: Path, key: Path, clock: Clock) -> None:
        self._files = (certificate, key)
        self._complaints = Complaints(clock)
        try:
            self._stamp = self._look()
            self._current = self._load()
        except OSError as error:  # an SSLError is one
            raise SettingsError(
                f"no usable certificate in {certificate}, {key}: {error}"
            ) from error

    def context(self) -> ssl.SSLContext:
        """Return what a server needs; it goes on following the files."""
        context = self._load()
        context.sni_callback = self._answer
        return context

    def _answer(self, connection: ssl.SSLObject, _name: str | None, _own: ssl.SSLContext) -> None:
        """OpenSSL asks this in each handshake, whether or not the client named a host."""
        self._refresh()
        connection.context = self._current

    def _refresh(self) -> None:
        """Half-written files are no reason to stop: what is known is shown until they are whole."""
        try:
            stamp = self._look()
            if stamp != self._stamp:
                self._current = self._load()
                self._stamp = stamp
                self._complaints.end()
                log.info("serves with a renewed certificate")
        except OSError as error:
            if self._complaints.is_due():
                log.warning("the renewed certificate can't be used", error=str(error))

    def _look(self) -> _Stamp:
        found = (path.stat() for path in self._files)
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._files)
        return context
