"""What a process shows to others, and whom it believes: files, read again when they change.

Nobody looks at them in between: whoever begins a handshake asks for what is current. Connections that are open stay as they are, and grow
old (see `libs.rpc.server`).
"""

import ssl
import time
from pathlib import Path
from typing import NamedTuple

import structlog

from libs.runtime.errors import CannotStart

log = structlog.get_logger()

_LOOK_SECONDS = 1.0  # between two looks at the files; clients ask with every call


class Identity(NamedTuple):
    """The files as they were at one time."""

    certificate: bytes
    """The chain, as PEM."""
    key: bytes
    authority: bytes
    """Who signs the certificates that are believed; empty where none is asked for."""
    server: ssl.SSLContext
    client: ssl.SSLContext
    """It believes servers of the authority, under the name that is asked for; without an authority those that everybody believes."""


class Certificates:
    """PEM files: a certificate with its chain, its key, and who must have signed those of others.

    Without an `authority` a server asks its clients for none. What cannot be used, such as a certificate whose key was not written yet, is
    logged, and what was there before goes on.
    """

    def __init__(self, certificate: Path, key: Path, authority: Path | None = None) -> None:
        """Raises CannotStart: they cannot be used."""
        self._certificate, self._key, self._authority = certificate, key, authority
        self._looked_at = time.monotonic()
        self._seen = self._stamp()
        try:
            self._identity = self._read()
        except OSError as error:  # ssl.SSLError is one, and does not say which file it means
            files = ", ".join(str(path) for path in self._files)
            raise CannotStart(
                f"cannot use {files}: {error}; each must be PEM, and the key that of the certificate and not encrypted"
            ) from error

    @property
    def _files(self) -> list[Path]:
        return [path for path in (self._certificate, self._key, self._authority) if path is not None]

    def current(self) -> Identity:
        """What is to be used in a handshake that begins now; the same object until the files change."""
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._identity

    def listening(self) -> ssl.SSLContext:
        """For all the life of a listener: each handshake is done with what is current."""
        context = self._identity.server

        def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, asked: ssl.SSLContext) -> None:
            del name, asked
            connection.context = self.current().server

        context.sni_callback = choose  # called whether a name is asked for or not
        return context

    def _look(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        try:
            identity = self._read()
        except OSError as error:
            self._seen = stamp  # tried again when they change again
            log.warning("certificates_not_renewed", certificate=str(self._certificate), error=str(error))
            return
        if self._stamp() == stamp:  # else they are being written, and looked at again
            self._seen, self._identity = stamp, identity
            log.info("certificates_renewed", certificate=str(self._certificate))

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(map(_stamp, self._files))

    def _read(self) -> Identity:
        return Identity(
            self._certificate.read_bytes(),
            self._key.read_bytes(),
            self._authority.read_bytes() if self._authority is not None else b"",
            self._server(),
            self._client(),
        )

    def _server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        self._show(context)
        if self._authority is not None:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.verify_mode = ssl.CERT_REQUIRED
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(self._authority)
            context.num_tickets = 0  # in a session that is taken up again no certificate would be looked at
        return context

    def _client(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._authority)
        context.verify_flags |= (
            ssl.VERIFY_X509_PARTIAL_CHAIN
        )  # the authority may itself be signed by another; gRPC has it so, too
        context.hostname_checks_common_name = False
        self._show(context)
        return context

    def _show(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(self._certificate, self._key, password="")  # else OpenSSL asks at the terminal for one


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
