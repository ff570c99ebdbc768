"""What channel tells of a user: which log is the inbox, which channels there are."""

from collections.abc import AsyncGenerator

from tertulia.chat.v1 import channel_pb2
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.rpc.caller import Caller
from libs.rpc.client import parts_of
from libs.rpc.status import unavailable
from services.gateway.cache import ExpiringCache

_LOGS = 50_000  # users, about 200 bytes each
_LOG_SECONDS = 3_600.0
_NO_CHANNEL = "-"  # asks for the inbox without its channels; were one called so, it would be described in vain
_WHOLE_SECONDS = 120.0
"""For all parts of an inbox: the client has to read each before the next. 10,000 channels are 4 MB, so 35 kB/s will do."""
_PART_SECONDS = 30.0
"""For a part: before the first, channel reads all memberships and heads."""


class Inboxes:
    """Every method raises TertuliaError when channel does not answer."""

    def __init__(self, access: "access_pb2_grpc.AccessServiceAsyncStub") -> None:
        self._access = access
        self._logs: ExpiringCache[tuple[str, str], bytes] = ExpiringCache(_LOGS)

    async def log_id(self, caller: Caller) -> bytes:
        """The log of the user's inbox. It is the same for ever, and asked for once."""
        key = (caller.application_id, caller.user_id)
        log_id = self._logs.get(key)
        if log_id is None:
            async for part in self.open(caller, _NO_CHANNEL):
                log_id = part.inbox_log_id
            if log_id is None:
                raise unavailable("the channel service")
            self._logs.put(key, log_id, _LOG_SECONDS)
        return log_id

    async def channel(self, caller: Caller, channel_id: str) -> channel_pb2.MyChannel | None:
        """One of the user's channels; None: it is none of theirs."""
        async for part in self.open(caller, channel_id):
            for mine in part.channels:
                if mine.channel.channel_id == channel_id:
                    return mine
        return None

    def open(self, caller: Caller, channel_id: str = "") -> AsyncGenerator[access_pb2.OpenInboxResponse]:
        """As AccessService.OpenInbox: part by part, each asked for when the one before was dealt with."""
        request = access_pb2.OpenInboxRequest(
            application_id=caller.application_id, user_id=caller.user_id, channel_id=channel_id
        )
        return parts_of(self._access.OpenInbox, request, timeout=_WHOLE_SECONDS, part_timeout=_PART_SECONDS)
