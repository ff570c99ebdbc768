"""Fetching what did not come by itself."""

import asyncio
import logging

from tertulia.backoff import Backoff
from tertulia.buffer import EventBuffer
from tertulia.calls import Calls
from tertulia.channels import Channels
from tertulia.chat.v1 import message_pb2
from tertulia.errors import NotFound, TertuliaError
from tertulia.follow import Follower

logger = logging.getLogger("tertulia")

PAGE_EVENTS = 200
"""Events fetched at once; with the largest messages 11 MiB, usually below 100 KiB."""

FETCH_SECONDS = 15.0


class GapFiller:
    """Fetches missing events with MessageService.ListEvents, one channel after the other, as the buffer has room.

    `look` is set by others when there may be something to fetch, or room for it.
    """

    def __init__(self, channels: Channels, buffer: EventBuffer, calls: Calls, look: asyncio.Event) -> None:
        self._channels = channels
        self._buffer = buffer
        self._calls = calls
        self._online = False
        self._look = look
        self._backoff = Backoff(base=0.1, cap=5.0)

    def set_online(self, online: bool) -> None:
        """Only between a session's catch-up and its end: before that, the server is sending what is missing."""
        self._online = online
        self._look.set()

    async def run(self) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            while self._online and self._buffer.roomy and (missing := self._channels.next_missing()) is not None:
                await self._fetch(*missing)

    async def _fetch(self, channel_id: str, follower: Follower) -> None:
        position = follower.position
        request = message_pb2.ListEventsRequest(
            channel_id=channel_id, after_seq=position, page_size=min(self._buffer.room, PAGE_EVENTS)
        )
        try:
            response = message_pb2.ListEventsResponse.FromString(
                await self._calls.call(
                    "MessageService/ListEvents", request.SerializeToString(), "", FETCH_SECONDS, repeat=False
                )
            )
        except NotFound:
            follower.want_no_more()  # no member any more; the inbox says so too
        except TertuliaError as error:
            logger.warning("events of %s after %d could not be fetched yet: %s", channel_id, position, error)
            await asyncio.sleep(self._backoff.next())
        else:
            self._backoff.reset()
            if response.slice.to_seq <= position:
                follower.want_no_more()  # the log ends here
            self._channels.on_ranges([response.slice], [])
