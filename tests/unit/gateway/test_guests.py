"""A guest has no user id, as the application itself has none: whoever forgets that there are guests refuses them."""

from pathlib import Path

import pytest
from tertulia.chat.v1 import error_pb2
from tertulia_internal.channel.v1 import access_pb2_grpc

from libs.rpc.caller import CALLER_KEY, Caller, decode_caller, encode_caller
from libs.rpc.errors import PermissionDenied
from services.gateway.grants import Grants
from tests.unit.gateway.peers import Peers, serving

GUEST = Caller("app", "", server=False, guest="visit")
APPLICATION = Caller("app", "", server=True)


async def test_a_guest_is_not_given_what_the_application_has(tmp_path: Path) -> None:
    peers = Peers()
    async with serving(peers, tmp_path) as channel:
        grants = Grants(access_pb2_grpc.AccessServiceStub(channel), 60, lambda _: 0)
        await grants.get(APPLICATION, "room")
        with pytest.raises(PermissionDenied) as refusal:
            await grants.get(GUEST, "room")
        assert refusal.value.reason == error_pb2.ERROR_REASON_GUEST_READ_ONLY
        assert peers.authorisations == [""], "nobody asked what the guest may do"


def test_a_method_of_channel_that_does_not_name_guests_is_not_for_them() -> None:
    for caller in (GUEST, APPLICATION, Caller("app", "alice", server=False)):
        metadata = [(CALLER_KEY, encode_caller(caller))]
        assert decode_caller(metadata, guests=True) == caller
        if caller is not GUEST:
            assert decode_caller(metadata) == caller
    with pytest.raises(PermissionDenied) as refusal:
        decode_caller([(CALLER_KEY, encode_caller(GUEST))])
    assert refusal.value.reason == error_pb2.ERROR_REASON_GUEST_READ_ONLY
