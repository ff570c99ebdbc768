"""Who a client is, as its token said."""

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from tertulia_internal.channel.v1 import access_pb2

from libs.rpc.caller import Caller


class Identity(NamedTuple):
    """Who a token says the caller is."""

    caller: Caller
    expires_at: float
    """Seconds since the Unix epoch."""
    issued_at: float = 0.0
    """Likewise; 0: it does not say."""
    session_id: str = ""
    """Of whoever made the token (claim `sid`); empty: it names none."""
    scopes: AbstractSet[access_pb2.KeyScope.ValueType] = frozenset()
    """What its key is good for; see `scopes.require_scope`."""
    key: tuple[str, str] = ("", "")
    """What its token was checked with: application and key id."""
