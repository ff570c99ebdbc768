"""MessageService: writes, and pages of history whose events pass through as bytes.

A page is one read of the log, which stops after so many scanned rows; so it may be short, and its tokens say where it ended.
"""

import asyncio
from typing import NamedTuple, TypeAlias

from tertulia.chat.v1 import error_pb2, message_pb2
from tertulia_internal.wire.v1 import raw_pb2

from libs.rpc.caller import Caller
from libs.rpc.errors import FieldsInvalid, FieldViolation, NotFound, TertuliaError
from services.gateway.appender import Appender
from services.gateway.appends import Act, decide, delete, edit, new_append, react, say
from services.gateway.grants import Grants
from services.gateway.log_client import MAX_SEQ, READ_EVENTS, LogClient, LogName
from services.gateway.methods import Methods, parsed
from services.gateway.page_tokens import Page, PageTokens
from services.gateway.rate_limits import RateLimits
from services.gateway.tokens import require_speaker

_DEFAULT_PAGE = 50
_LARGEST_PAGE = 200
_DEFAULT_EVENTS = 200

_WriteRequest: TypeAlias = (
    message_pb2.SendMessageRequest
    | message_pb2.EditMessageRequest
    | message_pb2.DeleteMessageRequest
    | message_pb2.AddReactionRequest
    | message_pb2.RemoveReactionRequest
)


class _Range(NamedTuple):
    """Messages found, and what was scanned for them; `from_seq` > `to_seq`: nothing was."""

    events: list[bytes]
    from_seq: int
    to_seq: int
    head_seq: int


class _OneWrite:
    """The one who waits for the outcome of a unary write."""

    def __init__(self) -> None:
        self._outcome: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()

    def acked(self, request_id: int, seq: int, time_ms: int) -> None:  # there is only one request
        if not self._outcome.done():  # the caller may have gone
            self._outcome.set_result((seq, time_ms))

    def failed(self, request_id: int, error: TertuliaError) -> None:
        if not self._outcome.done():
            self._outcome.set_exception(error)

    def flush(self) -> None:
        """Nothing is joined here."""

    async def outcome(self) -> tuple[int, int]:
        return await self._outcome


class MessageMethods:
    """The methods of MessageService; see there for what they promise and refuse."""

    def __init__(
        self, appender: Appender, grants: Grants, limits: RateLimits, logs: LogClient, tokens: PageTokens
    ) -> None:
        self._appender = appender
        self._grants = grants
        self._limits = limits
        self._logs = logs
        self._tokens = tokens

    def table(self) -> Methods:
        return {
            "MessageService/SendMessage": self._send_message,
            "MessageService/EditMessage": self._edit_message,
            "MessageService/DeleteMessage": self._delete_message,
            "MessageService/AddReaction": self._add_reaction,
            "MessageService/RemoveReaction": self._remove_reaction,
            "MessageService/GetMessage": self._get_message,
            "MessageService/ListMessages": self._list_messages,
            "MessageService/ListEvents": self._list_events,
        }

    async def _send_message(self, caller: Caller, data: bytes) -> bytes:
        request = parsed(message_pb2.SendMessageRequest, data)
        require_speaker(caller)
        act = say(caller, request.message)
        seq, time_ms = await self._write(caller, request, request.client_message_id, act)
        return message_pb2.SendMessageResponse(seq=seq, time_ms=time_ms).SerializeToString()

    async def _edit_message(self, caller: Caller, data: bytes) -> bytes:
        request = parsed(message_pb2.EditMessageRequest, data)
        seq, time_ms = await self._write(caller, request, request.client_id, edit(request.seq, request.message))
        return message_pb2.EditMessageResponse(seq=seq, time_ms=time_ms).SerializeToString()

    async def _delete_message(self, caller: Caller, data: bytes) -> bytes:
        request = parsed(message_pb2.DeleteMessageRequest, data)
        seq, time_ms = await self._write(caller, request, request.client_id, delete(request.seq))
        return message_pb2.DeleteMessageResponse(seq=seq, time_ms=time_ms).SerializeToString()

    async def _add_reaction(self, caller: Caller, data: bytes) -> bytes:
        request = parsed(message_pb2.AddReactionRequest, data)
        seq, time_ms = await self._react(caller, request, removed=False)
        return message_pb2.AddReactionResponse(seq=seq, time_ms=time_ms).SerializeToString()

    async def _remove_reaction(self, caller: Caller, data: bytes) -> bytes:
        request = parsed(message_pb2.RemoveReactionRequest, data)
        seq, time_ms = await self._react(caller, request, removed=True)
        return message_pb2.RemoveReactionResponse(seq=seq, time_ms=time_ms).SerializeToString()

    async def _react(
        self,
        caller: Caller,
        request: message_pb2.AddReactionRequest | message_pb2.RemoveReactionRequest,
        *,
        removed: bool,
    ) -> tuple[int, int]:
        require_speaker(caller)
        act = react(request.seq, request.key, removed=removed)
        return await self._write(caller, request, request.client_id, act)

    async def _write(self, caller: Caller, request: _WriteRequest, client_id: str, act: Act) -> tuple[int, int]:
        """The seq and the time of the event, when it is durable."""
        self._limits.count_write(caller)
        grant = await self._grants.get(caller, request.channel_id)
        after_seq = request.after_seq if request.HasField("after_seq") else None
        sender = _OneWrite()
        append = new_append(sender, 0, caller, grant, act, client_id, after_seq)
        await decide(append, self._grants)
        self._appender.submit(append)
        return await sender.outcome()

    async def _get_message(self, caller: Caller, data: bytes) -> bytes:
        request = parsed(message_pb2.GetMessageRequest, data)
        log = await self._readable(caller, request.channel_id)
        response = await self._logs.read(log, request.seq, request.seq, 1, messages_only=True)
        if not response.events:
            raise NotFound(f"no message at seq {request.seq}", error_pb2.ERROR_REASON_MESSAGE_NOT_FOUND)
        return raw_pb2.RawGetMessageResponse(event=response.events[0]).SerializeToString()

    async def _list_events(self, caller: Caller, data: bytes) -> bytes:
        request = parsed(message_pb2.ListEventsRequest, data)
        log = await self._readable(caller, request.channel_id)
        limit = min(request.page_size or _DEFAULT_EVENTS, READ_EVENTS)
        response = await self._logs.read(log, request.after_seq + 1, MAX_SEQ, limit)
        piece = raw_pb2.RawSlice(
            log_id=log.log_id,
            from_seq=response.from_seq,
            to_seq=response.to_seq,
            head_seq=response.head_seq,
            events=response.events,
        )
        return raw_pb2.RawListEventsResponse(slice=piece.SerializeToString()).SerializeToString()

    async def _list_messages(self, caller: Caller, data: bytes) -> bytes:
        request = parsed(message_pb2.ListMessagesRequest, data)
        if request.page_token and request.WhichOneof("anchor"):
            raise FieldsInvalid([FieldViolation("page_token", "give a page token or an anchor, not both")])
        log = await self._readable(caller, request.channel_id)
        size = min(request.page_size or _DEFAULT_PAGE, _LARGEST_PAGE)
        found = await self._page(log, request, size)
        older = Page(older=True, seq=min(found.from_seq, found.head_seq + 1))
        newer = Page(older=False, seq=found.to_seq)
        return raw_pb2.RawListMessagesResponse(
            events=found.events,
            older_page_token=self._tokens.seal(log, older) if older.seq > 1 else "",
            newer_page_token=self._tokens.seal(log, newer) if newer.seq < found.head_seq else "",
            head_seq=found.head_seq,
        ).SerializeToString()

    async def _page(self, log: LogName, request: message_pb2.ListMessagesRequest, size: int) -> _Range:
        if request.page_token:
            page = self._tokens.open(log, request.page_token)
            return await (self._before(log, page.seq, size) if page.older else self._after(log, page.seq, size))
        match request.WhichOneof("anchor"):
            case "before_seq":
                return await self._before(log, request.before_seq, size)
            case "after_seq":
                return await self._after(log, request.after_seq, size)
            case "around_seq":
                before = await self._before(log, request.around_seq, size // 2)
                after = await self._after(log, request.around_seq - 1, size - size // 2)
                return _Range(before.events + after.events, before.from_seq, after.to_seq, after.head_seq)
            case _:
                return await self._before(log, MAX_SEQ, size)

    async def _before(self, log: LogName, seq: int, size: int) -> _Range:
        response = await self._logs.read(log, 1, seq - 1, max(size, 1), backward=True, messages_only=True)
        events = list(response.events) if size else []
        return _Range(events, response.from_seq if size else seq, response.to_seq, response.head_seq)

    async def _after(self, log: LogName, seq: int, size: int) -> _Range:
        response = await self._logs.read(log, seq + 1, MAX_SEQ, size, messages_only=True)
        return _Range(list(response.events), seq + 1, max(response.to_seq, seq), response.head_seq)

    async def _readable(self, caller: Caller, channel_id: str) -> LogName:
        """Server keys read every channel, whomever they act for; guests every open one."""
        if caller.guest:
            return await self._grants.open_log(caller.application_id, channel_id)
        reader = caller._replace(user_id="") if caller.server else caller
        return (await self._grants.get(reader, channel_id)).log
