"""What tokens are checked with: the keys of applications, as channel knows them."""

from typing import NamedTuple, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.rpc.client import call
from libs.rpc.errors import NotFound
from services.gateway.cache import ExpiringCache, SharedCalls
from services.gateway.scopes import ALL_SCOPES

_UNKNOWN_KEY_SECONDS = 2.0  # a key that was just made is found soon; tokens with invented keys cost little
_CACHED_KEYS = 10_000


class CheckingKey(NamedTuple):
    """What tokens are checked with, and how."""

    algorithm: str
    """As a token's `alg` must be. It follows from the key, never from a token."""
    key: bytes | Ed25519PublicKey | RSAPublicKey
    scopes: frozenset[access_pb2.KeyScope.ValueType]
    guests_allowed: bool
    """Tokens of guests are good."""


_Name: TypeAlias = tuple[str, str]
"""Application and key id."""


class Keys:
    """Keys are believed for `cache_seconds`."""

    def __init__(self, access: "access_pb2_grpc.AccessServiceAsyncStub", cache_seconds: float) -> None:
        self._access = access
        self._cache_seconds = cache_seconds
        self._cache: ExpiringCache[_Name, tuple[CheckingKey | None]] = ExpiringCache(_CACHED_KEYS)
        self._calls: SharedCalls[_Name, CheckingKey | None] = SharedCalls()

    async def get(self, application_id: str, key_id: str) -> CheckingKey | None:
        """A key; None: there is no such key.

        Raises:
            TertuliaError: channel does not answer.
        """
        name = (application_id, key_id)
        if known := self._cache.get(name):
            return known[0]
        return await self._calls.call(name, lambda: self._ask(*name))

    async def _ask(self, application_id: str, key_id: str) -> CheckingKey | None:
        try:
            request = access_pb2.GetKeyRequest(application_id=application_id, key_id=key_id)
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold and no id of ours does
            return None
        key = None
        seconds = _UNKNOWN_KEY_SECONDS
        try:
            key = checking_key(await call(self._access.GetKey, request))
            seconds = self._cache_seconds
        except NotFound:
            pass
        self._cache.put((application_id, key_id), (key,), seconds)
        return key


def checking_key(response: access_pb2.GetKeyResponse) -> CheckingKey | None:
    """What channel answered; None: a kind of key that this version does not know."""
    scopes = frozenset(response.scopes) or ALL_SCOPES
    if response.secret:
        return CheckingKey("HS256", response.secret, scopes, response.guests_allowed)
    if not response.public_key:
        return None
    try:
        key = load_der_public_key(response.public_key)
    except (ValueError, UnsupportedAlgorithm):
        return None
    match key:
        case Ed25519PublicKey():
            return CheckingKey("EdDSA", key, scopes, response.guests_allowed)
        case RSAPublicKey():
            return CheckingKey("RS256", key, scopes, response.guests_allowed)
        case _:
            return None
