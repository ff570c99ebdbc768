"""Carries out what a session's client asks for, in the order in which it came."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import structlog
from tertulia.chat.v1 import error_pb2, session_pb2

from libs.rpc.caller import Caller, correlation_id, new_correlation_id
from libs.rpc.errors import (
    DeadlineExceeded,
    InvalidArgument,
    ResourceExhausted,
    TertuliaError,
    Unavailable,
    Unimplemented,
    internal,
)
from libs.rpc.validation import validate
from services.gateway.answers import Answers
from services.gateway.appender import Appender
from services.gateway.appends import decide, new_append, say
from services.gateway.deliveries import Deliveries
from services.gateway.grants import Grant, Grants
from services.gateway.identity import Identity
from services.gateway.methods import ChannelIds, Method, Methods
from services.gateway.outbox import Outbox
from services.gateway.plain_sends import is_plain
from services.gateway.positions import Position, Positions
from services.gateway.rate_limits import RateLimits
from services.gateway.scopes import require_scope
from services.gateway.tokens import acting_as, require_speaker
from services.gateway.typing_signals import TypingSignals
from services.gateway.watches import Watcher, Watches

log = structlog.get_logger()

CommandType = TypeVar("CommandType", session_pb2.Send, session_pb2.MarkRead, session_pb2.Watch, session_pb2.Call)

# of a frame, as the protos say
_LIMITS = {"sends": 256, "reads": 256, "typings": 64, "watches": 64, "calls": 64, "deliveries": 256}
_OPEN_COMMANDS = 1_024  # of a session: what is more stays unread in its stream
_OPEN_CALLS = 8  # of a session at a time, watches among them: an answer may be 1 MiB


class Handlers:
    """What carries commands out; one for all sessions."""

    def __init__(
        self,
        appender: Appender,
        grants: Grants,
        limits: RateLimits,
        positions: Positions,
        deliveries: Deliveries,
        typing: TypingSignals,
        watches: Watches,
        methods: Methods,
    ) -> None:
        self.appender = appender
        self.grants = grants
        self.limits = limits
        self.positions = positions
        self.deliveries = deliveries
        self.typing = typing
        self.watches = watches
        self.methods = methods
        self.channel_ids = ChannelIds()


class Commands:
    """The commands of one session. `membership` tells what the session knows of its user's channels."""

    def __init__(
        self,
        identity: Identity,
        outbox: Outbox,
        answers: Answers,
        membership: Callable[[str], Grant | None],
        handlers: Handlers,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._identity = identity
        self._caller = caller = identity.caller
        self._outbox = outbox
        self._answers = answers
        self._membership = membership
        self._handlers = handlers
        self._tasks = tasks
        self._watcher = Watcher(caller.application_id, caller.user_id, outbox)
        self._last_watch: asyncio.Task[None] | None = None
        self._calls = asyncio.Semaphore(_OPEN_CALLS)
        self._last_call: dict[str, asyncio.Task[None]] = {}

    async def carry_out(self, frame: session_pb2.ClientFrame) -> None:
        """Take a frame's commands; their answers come when they come. Waits while too much is open or unread.

        Raises:
            InvalidArgument: FRAME_INVALID: the frame holds more commands than it may.
        """
        for field, limit in _LIMITS.items():
            if len(getattr(frame, field)) > limit:
                raise frame_invalid(f"a frame holds at most {limit} {field}")
        await self._outbox.room()
        await self._answers.at_most(_OPEN_COMMANDS)
        given_up: dict[str, TertuliaError] = {}
        for send in frame.sends:
            await self._attempt(send, partial(self._send, given_up))
        for read in frame.reads:
            await self._attempt(read, self._mark_read)
        for delivery in frame.deliveries:
            self._mark_delivered(delivery)
        for typing in frame.typings:
            await self._type(typing)
        for watch in frame.watches:
            await self._attempt(watch, self._watch)
        for call in frame.calls:
            await self._attempt(call, self._call)
        self._answers.flush()

    def close(self) -> None:
        """The session has ended."""
        self._handlers.watches.leave(self._watcher)

    async def _attempt(self, command: CommandType, take: Callable[[CommandType], Awaitable[None]]) -> None:
        self._answers.opened()
        try:
            await take(command)
        except TertuliaError as error:
            self._answers.failed(command.request_id, error)
        except asyncio.CancelledError:  # the session ends while somebody is asked whether this is allowed
            self._answers.done()
            raise

    async def _send(self, given_up: dict[str, TertuliaError], send: session_pb2.Send) -> None:
        """`given_up`: by channel, why a send before this one is to be sent again: behind it, this one must be, too."""
        if error := given_up.get(send.channel_id):
            raise error
        try:
            self._handlers.limits.count_write(self._caller)
            if not is_plain(send):
                validate(send)
            require_scope(self._identity, "MessageService/SendMessage")
            caller = acting_as(self._caller, send.as_user_id)
            require_speaker(caller)
            grant = await self._grant(caller, send.channel_id)
            after_seq = send.after_seq if send.HasField("after_seq") else None
            act = say(caller, send.message)
            append = new_append(self._answers, send.request_id, caller, grant, act, send.client_message_id, after_seq)
            await decide(append, self._handlers.grants)
            self._handlers.appender.submit(append)
        except (Unavailable, DeadlineExceeded, ResourceExhausted) as error:
            given_up[send.channel_id] = error
            raise

    async def _grant(self, caller: Caller, channel_id: str) -> Grant:
        """From the session's memberships, else asked for: a channel that was just joined may not have been heard of."""
        if not caller.server and (grant := self._membership(channel_id)):
            return grant
        return await self._handlers.grants.get(caller, channel_id)

    async def _mark_read(self, read: session_pb2.MarkRead) -> None:
        # positions of the session's own channels are joined where they wait; there may be any number of other channels
        if self._membership(read.channel_id) is None:
            self._handlers.limits.count_call(self._caller)
        validate(read)
        require_speaker(self._caller)
        position = Position(self._caller.application_id, self._caller.user_id, read.channel_id, self._answers)
        self._handlers.positions.submit(position, read.read_seq, read.request_id)

    def _mark_delivered(self, delivery: session_pb2.MarkDelivered) -> None:
        grant = self._membership(delivery.channel_id)
        if grant is not None and delivery.delivered_seq > 0:
            self._handlers.deliveries.mark(grant, delivery.delivered_seq)

    async def _type(self, typing: session_pb2.Typing) -> None:
        grant = self._membership(typing.channel_id)
        if grant is None:
            return  # there is nobody to tell; it is never answered
        if grant.stale:  # somebody who was blocked must not be seen typing
            with suppress(TertuliaError):
                await self._handlers.grants.renew(grant)
        if not grant.stale:
            self._handlers.typing.signal(grant, active=typing.active)

    async def _watch(self, watch: session_pb2.Watch) -> None:
        await self._handlers.limits.next_call(self._caller)
        validate(watch)
        require_scope(self._identity, "PresenceService/GetPresence")
        await self._calls.acquire()
        task = self._tasks.create_task(self._carry_out_watch(watch, self._last_watch))
        self._last_watch = task

    async def _carry_out_watch(self, watch: session_pb2.Watch, earlier: asyncio.Task[None] | None) -> None:
        """`earlier`: the watch before this one; who follows somebody and stops, has stopped."""
        try:
            if earlier is not None:
                await asyncio.wait([earlier])
            if watch.stop:
                self._handlers.watches.unfollow(self._watcher, watch.user_ids)
            else:
                await self._handlers.watches.follow(self._watcher, watch.user_ids)
        except TertuliaError as error:
            self._answers.failed(watch.request_id, error)
        else:
            self._answers.done()
        finally:
            self._calls.release()
        self._answers.flush()

    async def _call(self, call: session_pb2.Call) -> None:
        self._handlers.limits.count_call(self._caller)
        validate(call)
        caller = acting_as(self._caller, call.as_user_id)
        method = self._handlers.methods.get(call.method)
        if method is None:
            raise Unimplemented(f"no method {call.method!r} on sessions", error_pb2.ERROR_REASON_METHOD_UNKNOWN)
        require_scope(self._identity, call.method)
        await self._calls.acquire()
        await self._outbox.room()  # a reply may be as large as the queue: the next call waits until replies were read
        channel_id = self._handlers.channel_ids.of(call.method, call.request)
        task = self._tasks.create_task(self._answer(call, method, caller, self._last_call.get(channel_id)))
        if channel_id:
            self._last_call[channel_id] = task

    async def _answer(
        self, call: session_pb2.Call, method: Method, caller: Caller, earlier: asyncio.Task[None] | None
    ) -> None:
        """`earlier`: the call before this one that is about the same channel."""
        correlation_id.set(new_correlation_id())
        try:
            if earlier is not None:
                await asyncio.wait([earlier])
            response = await method(caller, call.request)
        except TertuliaError as error:
            self._answers.failed(call.request_id, error)
        except Exception:  # as at the edge of a unary call: a fault must not end the session (I10)
            log.exception("call_failed", method=call.method)
            self._answers.failed(call.request_id, internal(correlation_id.get()))
        else:
            self._answers.replied(call.request_id, response)
        finally:
            self._calls.release()
            self._forget(asyncio.current_task())
        self._answers.flush()

    def _forget(self, task: asyncio.Task[None] | None) -> None:
        for channel_id, last in list(self._last_call.items()):  # at most as many as calls are open
            if last is task:
                del self._last_call[channel_id]


def frame_invalid(what: str) -> InvalidArgument:
    return InvalidArgument(what, error_pb2.ERROR_REASON_FRAME_INVALID)
