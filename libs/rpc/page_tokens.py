"""Page tokens: opaque to clients, and checked, so that a forged one is refused and not half understood."""

import base64
import binascii
import hashlib
import hmac

import orjson
from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import InvalidArgument

_MAC_BYTES = 16


class PageTokens:
    """Signs where the next page of one list begins. A token is good for the same list and caller only."""

    def __init__(self, secret: bytes, *scope: str) -> None:
        """`secret` is shared by all who seal and unseal; `scope` names the list, its subject and the caller."""
        self._key = hashlib.blake2b(secret).digest()
        self._scope = orjson.dumps(scope)

    def seal(self, *position: str | int) -> str:
        """A token for what comes after `position`."""
        payload = orjson.dumps(position)
        return base64.urlsafe_b64encode(self._mac(payload) + payload).decode().rstrip("=")

    def unseal(self, token: str) -> list[str | int]:
        """The position that was sealed.

        Raises:
            InvalidArgument: PAGE_TOKEN_INVALID: the token was not given for this list and caller.
        """
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            sealed = b""
        mac, payload = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload)):
            raise InvalidArgument(
                "the page token was not given for this list; begin without one",
                error_pb2.ERROR_REASON_PAGE_TOKEN_INVALID,
            )
        position: list[str | int] = orjson.loads(payload)
        return position

    def _mac(self, payload: bytes) -> bytes:
        return hashlib.blake2b(self._scope + payload, key=self._key, digest_size=_MAC_BYTES).digest()
