"""What was said before, as it is now: with edits, reactions, reply counts, and without what was deleted."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from tertulia.caller import Caller
from tertulia.chat.v1 import message_pb2
from tertulia.models import Message
from tertulia.readings import message_from

PAGE_MESSAGES = 200  # the largest page


@dataclass(frozen=True, slots=True)
class Page:
    """Neighbouring messages, in order of seq."""

    messages: list[Message]
    head_seq: int
    """The channel's newest event."""


class MessageCalls:
    """The messages of channels, for their members and server keys; everybody else gets NotFound (CHANNEL_NOT_FOUND)."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    async def get(self, channel_id: str, seq: int) -> Message:
        """One message.

        Raises:
            NotFound: MESSAGE_NOT_FOUND.
        """
        request = message_pb2.GetMessageRequest(channel_id=channel_id, seq=seq)
        response = await self._call("MessageService/GetMessage", request, message_pb2.GetMessageResponse)
        return message_from(channel_id, response.event)

    async def latest(self, channel_id: str, limit: int = 50) -> Page:
        """The newest messages, at most 200."""
        request = message_pb2.ListMessagesRequest(channel_id=channel_id, page_size=limit)
        return _page(channel_id, await self._list(request))

    async def around(self, channel_id: str, seq: int, limit: int = 50) -> Page:
        """Half a page before a seq and half a page from it on; at most 200."""
        request = message_pb2.ListMessagesRequest(channel_id=channel_id, page_size=limit, around_seq=seq)
        return _page(channel_id, await self._list(request))

    async def head(self, channel_id: str) -> int:
        """The seq of the channel's newest event; 0: nothing has happened."""
        request = message_pb2.ListMessagesRequest(channel_id=channel_id, page_size=1)
        return (await self._list(request)).head_seq

    async def oldest_first(self, channel_id: str, *, after: int = 0) -> AsyncIterator[Message]:
        """All messages after a seq, up to the head at the moment of the last page."""
        request = message_pb2.ListMessagesRequest(channel_id=channel_id, page_size=PAGE_MESSAGES, after_seq=after)
        while True:
            response = await self._list(request)
            for event in response.events:
                yield message_from(channel_id, event)
            if not response.newer_page_token:
                return
            request = message_pb2.ListMessagesRequest(
                channel_id=channel_id, page_size=PAGE_MESSAGES, page_token=response.newer_page_token
            )

    async def newest_first(self, channel_id: str, *, before: int | None = None) -> AsyncIterator[Message]:
        """All messages before a seq, or all there are, from the newest to the oldest."""
        request = message_pb2.ListMessagesRequest(channel_id=channel_id, page_size=PAGE_MESSAGES)
        if before is not None:
            request.before_seq = before
        while True:
            response = await self._list(request)
            for event in reversed(response.events):
                yield message_from(channel_id, event)
            if not response.older_page_token:
                return
            request = message_pb2.ListMessagesRequest(
                channel_id=channel_id, page_size=PAGE_MESSAGES, page_token=response.older_page_token
            )

    async def _list(self, request: message_pb2.ListMessagesRequest) -> message_pb2.ListMessagesResponse:
        return await self._call("MessageService/ListMessages", request, message_pb2.ListMessagesResponse)


def _page(channel_id: str, response: message_pb2.ListMessagesResponse) -> Page:
    return Page([message_from(channel_id, event) for event in response.events], response.head_seq)
