"""Page tokens of message lists: opaque to clients, good on every gateway, and for one channel only."""

import base64
import binascii
import hashlib
import hmac
import struct
from typing import NamedTuple

from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import InvalidArgument
from services.gateway.log_client import LogName

_MAC_BYTES = 16
_PAGE = struct.Struct(">?q")


class Page(NamedTuple):
    """Where a page begins."""

    older: bool
    """True: the messages before `seq`. False: those after it."""
    seq: int


class PageTokens:
    """Seals and opens tokens with a secret that all gateways share."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def seal(self, log: LogName, page: Page) -> str:
        payload = _PAGE.pack(*page)
        return base64.urlsafe_b64encode(payload + self._mac(log, payload)).decode().rstrip("=")

    def open(self, log: LogName, token: str) -> Page:
        """The page.

        Raises:
            InvalidArgument: PAGE_TOKEN_INVALID: the token was not given for this channel.
        """
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            sealed = b""
        payload, mac = sealed[: _PAGE.size], sealed[_PAGE.size :]
        if not hmac.compare_digest(mac, self._mac(log, payload)):
            raise InvalidArgument(
                "the page token was not given for this list; begin without one",
                error_pb2.ERROR_REASON_PAGE_TOKEN_INVALID,
            )
        return Page(*_PAGE.unpack(payload))

    def _mac(self, log: LogName, payload: bytes) -> bytes:
        scope = log.log_id + log.application_id.encode() + b"\0"  # a log id has a fixed length
        return hmac.digest(self._secret, scope + payload, hashlib.sha256)[:_MAC_BYTES]
