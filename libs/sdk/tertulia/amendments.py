"""What is done to a message that was said: edits, deletions, reactions. Each is an event of the channel's log, asked for by a
call that is repeated under one client id until there is an answer."""

import secrets
from collections.abc import Sequence
from typing import TypeVar

from tertulia.caller import CALL_SECONDS, Caller
from tertulia.chat.v1 import event_pb2, message_pb2
from tertulia.errors import OutOfRange
from tertulia.models import Changed
from tertulia.sends import Sends

_Request = (
    message_pb2.EditMessageRequest
    | message_pb2.DeleteMessageRequest
    | message_pb2.AddReactionRequest
    | message_pb2.RemoveReactionRequest
)
_Response = TypeVar(
    "_Response",
    message_pb2.EditMessageResponse,
    message_pb2.DeleteMessageResponse,
    message_pb2.AddReactionResponse,
    message_pb2.RemoveReactionResponse,
)


class Amendments:
    """Amends messages. `sends` knows the newest seq of each channel."""

    def __init__(self, call: Caller, sends: Sends) -> None:
        self._call = call
        self._sends = sends

    async def edit(
        self,
        channel_id: str,
        seq: int,
        text: str = "",
        *,
        mentions: Sequence[str] = (),
        custom_type: str = "",
        custom_data: str = "",
        timeout: float = CALL_SECONDS,
    ) -> Changed:
        message = event_pb2.Message(
            text=text, mentioned_user_ids=mentions, custom_type=custom_type, custom_data=custom_data
        )
        request = message_pb2.EditMessageRequest(channel_id=channel_id, seq=seq, message=message)
        return await self._ask("EditMessage", request, message_pb2.EditMessageResponse, timeout)

    async def delete(self, channel_id: str, seq: int, *, timeout: float = CALL_SECONDS) -> Changed:
        request = message_pb2.DeleteMessageRequest(channel_id=channel_id, seq=seq)
        return await self._ask("DeleteMessage", request, message_pb2.DeleteMessageResponse, timeout)

    async def react(self, channel_id: str, seq: int, key: str, *, timeout: float = CALL_SECONDS) -> Changed:
        request = message_pb2.AddReactionRequest(channel_id=channel_id, seq=seq, key=key)
        return await self._ask("AddReaction", request, message_pb2.AddReactionResponse, timeout)

    async def unreact(self, channel_id: str, seq: int, key: str, *, timeout: float = CALL_SECONDS) -> Changed:
        request = message_pb2.RemoveReactionRequest(channel_id=channel_id, seq=seq, key=key)
        return await self._ask("RemoveReaction", request, message_pb2.RemoveReactionResponse, timeout)

    async def _ask(self, method: str, request: _Request, response_type: type[_Response], timeout: float) -> Changed:
        request.client_id = secrets.token_hex(16)
        known = self._sends.known(request.channel_id)
        if known is not None:
            request.after_seq = known
        while True:
            try:
                done = await self._call(f"MessageService/{method}", request, response_type, timeout=timeout)
            except OutOfRange as refusal:
                scanned_to = refusal.metadata.get("scanned_to_seq", "")
                if refusal.reason != "DEDUP_SCAN_LIMIT" or not scanned_to.isdecimal():
                    raise
                request.after_seq = int(scanned_to)  # not found up to here: let it search on
            else:
                return Changed(done.seq, done.time_ms)
