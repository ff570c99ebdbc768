"""Asking for what events do not tell: how a channel is after a change of which only the server knows what came of it, and
whose mentions do not count."""

import asyncio
import logging

from tertulia.backoff import Backoff
from tertulia.caller import Caller
from tertulia.channels import Channels
from tertulia.chat.v1 import channel_pb2
from tertulia.errors import TertuliaError
from tertulia.people import UserCalls

logger = logging.getLogger("tertulia")

_PAGE_CHANNELS = 100
_ROUNDS = 8  # an answer may be older than what is known here; after so many, the next change asks again


class Asker:
    """Asks for all that is stale at once. `look` is set by others when there may be something to ask."""

    def __init__(self, channels: Channels, call: Caller, look: asyncio.Event) -> None:
        self._channels = channels
        self._call = call
        self._users = UserCalls(call)
        self._look = look
        self._online = False

    def set_online(self, online: bool) -> None:
        self._online = online
        self._look.set()

    async def run(self) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            backoff = Backoff(base=0.1, cap=5.0)
            for _ in range(_ROUNDS):
                if not self._online or not (self._channels.blocked_wanted or self._channels.stale()):
                    break
                try:
                    await self._ask()
                except TertuliaError as error:
                    logger.warning("the state of channels could not be asked for yet: %s", error)
                await asyncio.sleep(backoff.next())

    async def _ask(self) -> None:
        if self._channels.blocked_wanted:
            self._channels.on_blocked([user.user_id async for user in self._users.blocked()])
        wanted, token = set(self._channels.stale()), ""
        while wanted:
            request = channel_pb2.ListMyChannelsRequest(page_size=_PAGE_CHANNELS, page_token=token, include_hidden=True)
            page = await self._call("ChannelService/ListMyChannels", request, channel_pb2.ListMyChannelsResponse)
            for mine in page.channels:
                self._channels.on_answer(mine)
                wanted.discard(mine.channel.channel_id)
            token = page.next_page_token
            if not token:
                return
