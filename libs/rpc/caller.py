"""Who a call is made for, and under which correlation id: what travels beside a request between services."""

import re
import secrets
from collections.abc import Iterable
from typing import NamedTuple

from tertulia_internal.caller.v1 import caller_pb2

from libs.rpc.errors import Internal, guest_read_only, internal
from libs.runtime.logs import correlation_id as correlation_id  # noqa: PLC0414 - found here beside the caller

CALLER_KEY = "tertulia-caller-bin"
CORRELATION_KEY = "tertulia-correlation-id"
_CORRELATION_FORM = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Caller(NamedTuple):
    """Who a call is made for, as the gateway authenticated it."""

    application_id: str
    user_id: str
    """Empty: the application itself, or a guest."""
    server: bool
    """A server key was shown."""
    guest: str = ""
    """Not empty: a guest, who is nobody in particular, and reads open channels. It names the visit: `sid` of the token."""


def encode_caller(caller: Caller) -> bytes:
    return caller_pb2.Caller(
        application_id=caller.application_id, user_id=caller.user_id, server=caller.server, guest=caller.guest
    ).SerializeToString()


def decode_caller(metadata: Iterable[tuple[str, str | bytes]], *, guests: bool = False) -> Caller:
    """The caller that the gateway named. `guests`: they may call this; a method that does not say so is none of theirs.

    Raises:
        PermissionDenied: GUEST_READ_ONLY.
        Internal: there is none: a service called a public method of ours without passing the caller on.
    """
    for key, value in metadata:
        if key == CALLER_KEY and isinstance(value, bytes):
            caller = caller_pb2.Caller.FromString(value)
            if caller.guest and not guests:
                raise guest_read_only()
            return Caller(caller.application_id, caller.user_id, caller.server, caller.guest)
    raise no_caller()


def no_caller() -> Internal:
    return internal(correlation_id.get())


def correlation_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The correlation id that came with a call if it is well-formed, else a new one."""
    for key, value in metadata:
        if key == CORRELATION_KEY and isinstance(value, str) and _CORRELATION_FORM.fullmatch(value):
            return value
    return new_correlation_id()


def new_correlation_id() -> str:
    return secrets.token_hex(8)
