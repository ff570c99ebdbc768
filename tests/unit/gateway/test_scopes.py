"""What a server key must be good for is said of every method that there is."""

import pytest
from tertulia.chat.v1 import error_pb2
from tertulia_internal.channel.v1 import access_pb2

from libs.rpc.caller import Caller
from libs.rpc.errors import PermissionDenied
from services.gateway.identity import Identity
from services.gateway.methods import OWN, PASSED_ON, methods_of, name_of
from services.gateway.scopes import GUESTS_MAY, NEEDED, SERVER_SCOPES, require_scope

EXPIRY = 2.0**40


def server(*scopes: access_pb2.KeyScope.ValueType) -> Identity:
    return Identity(Caller("app", "", server=True), EXPIRY, scopes=frozenset(scopes))


def test_of_every_method_it_is_said_what_it_needs() -> None:
    assert NEEDED.keys() == {name_of(method) for method in methods_of((*OWN, *PASSED_ON))}
    assert set(NEEDED.values()) == SERVER_SCOPES


def test_a_key_that_may_only_read_calls_what_only_reads() -> None:
    """A method that is added is put where its name says that it belongs."""
    reading = {name for name, scope in NEEDED.items() if scope == access_pb2.KEY_SCOPE_READ}
    assert reading == {name for name in NEEDED if name.split("/")[1].startswith(("Get", "List", "Search"))}


def test_a_key_without_the_scope_is_refused_and_told_which() -> None:
    require_scope(server(access_pb2.KEY_SCOPE_READ), "MessageService/ListMessages")
    with pytest.raises(PermissionDenied) as refusal:
        require_scope(server(access_pb2.KEY_SCOPE_READ, access_pb2.KEY_SCOPE_USERS), "MessageService/SendMessage")
    assert refusal.value.reason == error_pb2.ERROR_REASON_SCOPE_REQUIRED
    assert refusal.value.metadata == {"scope": "send"}


def test_what_is_not_said_needs_the_most() -> None:
    require_scope(server(access_pb2.KEY_SCOPE_MANAGE), "NewService/Peek")
    with pytest.raises(PermissionDenied):
        require_scope(server(access_pb2.KEY_SCOPE_READ, access_pb2.KEY_SCOPE_SEND), "NewService/Peek")


def test_users_need_none() -> None:
    for method in NEEDED:
        require_scope(Identity(Caller("app", "alice", server=False), EXPIRY), method)


def test_guests_call_what_shows_open_channels_and_nothing_else() -> None:
    guest = Identity(Caller("app", "", server=False, guest="visit"), EXPIRY, scopes=SERVER_SCOPES)
    assert {name for name, scope in NEEDED.items() if scope == access_pb2.KEY_SCOPE_READ} > GUESTS_MAY
    for method in (*NEEDED, "NewService/Peek"):
        if method in GUESTS_MAY:
            require_scope(guest, method)
            continue
        with pytest.raises(PermissionDenied) as refusal:
            require_scope(guest, method)
        assert refusal.value.reason == error_pb2.ERROR_REASON_GUEST_READ_ONLY
