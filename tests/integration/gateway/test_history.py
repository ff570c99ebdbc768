"""MessageService: sends and pages."""

import grpc
import pytest
from tertulia.chat.v1 import channel_pb2, error_pb2, event_pb2, message_pb2

from libs.rpc.status import from_rpc_error
from tests.integration.gateway.cast import Cast

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gateway-history")]


async def _written(cast: Cast, count: int) -> channel_pb2.Channel:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice:
        for request in await alice.send_all(room.channel_id, [str(number) for number in range(count)]):
            await alice.acked(request)
    return room


def _texts(response: message_pb2.ListMessagesResponse) -> list[str]:
    return [event.message.text for event in response.events]


async def test_all_pages_backwards_hold_every_message_once(cast: Cast) -> None:
    room = await _written(cast, 57)
    request = message_pb2.ListMessagesRequest(channel_id=room.channel_id, page_size=10)
    texts: list[str] = []
    while True:
        response = await cast.messages.ListMessages(request, metadata=cast.as_user("bob"))
        texts = _texts(response) + texts
        if not response.older_page_token:
            break
        request.page_token = response.older_page_token
    assert texts == [str(number) for number in range(57)]


async def test_all_pages_forwards_hold_every_message_once(cast: Cast) -> None:
    room = await _written(cast, 57)
    request = message_pb2.ListMessagesRequest(channel_id=room.channel_id, page_size=10, after_seq=0)
    texts: list[str] = []
    while True:
        response = await cast.messages.ListMessages(request, metadata=cast.as_user("bob"))
        texts += _texts(response)
        if not response.newer_page_token:
            break
        request.ClearField("after_seq")
        request.page_token = response.newer_page_token
    assert texts == [str(number) for number in range(57)]


async def test_around_a_message_are_those_before_it_and_those_from_it_on(cast: Cast) -> None:
    room = await _written(cast, 30)
    request = message_pb2.ListMessagesRequest(channel_id=room.channel_id, page_size=10, around_seq=16)
    response = await cast.messages.ListMessages(request, metadata=cast.as_user("bob"))
    assert [event.seq for event in response.events] == list(range(11, 21))
    assert response.older_page_token
    assert response.newer_page_token
    one = message_pb2.ListMessagesRequest(channel_id=room.channel_id, page_size=1, around_seq=16)
    response = await cast.messages.ListMessages(one, metadata=cast.as_user("bob"))
    assert [event.seq for event in response.events] == [16]
    older = message_pb2.ListMessagesRequest(
        channel_id=room.channel_id, page_size=1, page_token=response.older_page_token
    )
    response = await cast.messages.ListMessages(older, metadata=cast.as_user("bob"))
    assert [event.seq for event in response.events] == [15]


@pytest.mark.parametrize("anchor", [{"before_seq": 1}, {"after_seq": 1_000}, {"around_seq": 1}, {"before_seq": 1_000}])
async def test_anchors_at_the_ends_give_short_pages(cast: Cast, anchor: dict[str, int]) -> None:
    room = await _written(cast, 3)
    request = message_pb2.ListMessagesRequest(channel_id=room.channel_id)
    for name, seq in anchor.items():
        setattr(request, name, seq)
    response = await cast.messages.ListMessages(request, metadata=cast.as_user("bob"))
    assert len(response.events) in {0, 3}
    assert response.head_seq == 4
    assert bool(response.newer_page_token) == (anchor == {"before_seq": 1})
    assert bool(response.older_page_token) == (anchor == {"after_seq": 1_000})


async def test_page_sizes_are_clamped_and_negative_ones_refused(cast: Cast) -> None:
    room = await _written(cast, 230)
    for size, expected in ((0, 50), (7, 7), (2**31 - 1, 200)):
        request = message_pb2.ListMessagesRequest(channel_id=room.channel_id, page_size=size)
        response = await cast.messages.ListMessages(request, metadata=cast.as_user("bob"))
        assert len(response.events) == expected
    request = message_pb2.ListMessagesRequest(channel_id=room.channel_id, page_size=-1)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await cast.messages.ListMessages(request, metadata=cast.as_user("bob"))
    assert from_rpc_error(error.value).reason == error_pb2.ERROR_REASON_FIELD_INVALID


async def test_a_page_token_of_another_channel_is_refused(cast: Cast) -> None:
    room = await _written(cast, 5)
    other = await cast.group("other", "bob")
    request = message_pb2.ListMessagesRequest(channel_id=room.channel_id, page_size=2)
    page = await cast.messages.ListMessages(request, metadata=cast.as_user("bob"))
    for channel_id, token in ((other.channel_id, page.older_page_token), (room.channel_id, "forged")):
        forged = message_pb2.ListMessagesRequest(channel_id=channel_id, page_token=token)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await cast.messages.ListMessages(forged, metadata=cast.as_user("bob"))
        assert from_rpc_error(error.value).reason == error_pb2.ERROR_REASON_PAGE_TOKEN_INVALID


async def test_one_message_is_found_and_other_events_are_none(cast: Cast) -> None:
    room = await _written(cast, 1)
    request = message_pb2.GetMessageRequest(channel_id=room.channel_id, seq=2)
    response = await cast.messages.GetMessage(request, metadata=cast.as_user("bob"))
    assert response.event.message.text == "0"
    for seq in (1, 3):  # the membership of the beginning, and nothing
        missing = message_pb2.GetMessageRequest(channel_id=room.channel_id, seq=seq)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await cast.messages.GetMessage(missing, metadata=cast.as_user("bob"))
        assert from_rpc_error(error.value).reason == error_pb2.ERROR_REASON_MESSAGE_NOT_FOUND


async def test_an_imported_message_keeps_its_time_and_is_sent_once(cast: Cast) -> None:
    room = await cast.group("room", "alice")
    request = message_pb2.SendMessageRequest(
        channel_id=room.channel_id,
        client_message_id="line-1",
        message=event_pb2.Message(text="long ago", original_time_ms=1_000),
    )
    first = await cast.messages.SendMessage(request, metadata=cast.as_server("alice"))
    again = await cast.messages.SendMessage(request, metadata=cast.as_server("alice"))
    assert first == again
    found = await cast.messages.GetMessage(
        message_pb2.GetMessageRequest(channel_id=room.channel_id, seq=first.seq), metadata=cast.as_server()
    )
    assert (found.event.message.original_time_ms, found.event.sender_user_id) == (1_000, cast.id("alice"))
