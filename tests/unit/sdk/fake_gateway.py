"""A gateway that speaks the real protocol over real gRPC, and misbehaves as a test tells it.

It keeps logs as the contract says (seqs without gaps, one seq per client id) and checks what clients send against the rules
of the protos, so that a test cannot pass by both sides being wrong. `tests/integration/sdk` runs the same promises against
the real services.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import grpc
import jwt
import protovalidate
from google.protobuf.message import Message as ProtoMessage
from grpc_status import rpc_status
from tertulia.chat.v1 import channel_pb2, error_pb2, event_pb2, session_pb2, session_pb2_grpc, user_pb2

from tests.unit.sdk.fake_calls import methods
from tests.unit.sdk.fake_connection import Connection, failure, inbox_id, inbox_slice, status
from tests.unit.sdk.fake_log import Log, LoseAnswer, Refusal

Mangle = Callable[[session_pb2.ServerFrame], Sequence[session_pb2.ServerFrame]]
"""What really goes out in place of a frame."""


class FakeGateway(session_pb2_grpc.SessionServiceServicer):
    """The server; tests read and write its attributes at will."""

    def __init__(self) -> None:
        self.logs: dict[str, Log] = {}
        self.users: dict[str, user_pb2.User] = {}
        self.blocks: dict[str, set[str]] = {}
        self.inboxes: dict[str, list[event_pb2.Event]] = {}
        self.connections: list[Connection] = []
        self.frames: list[session_pb2.ClientFrame] = []  # all that came in
        self.tokens: list[str] = []
        self.gap_above = 1_000  # a larger delta is answered with a gap notice
        self.mangle: Mangle = lambda frame: [frame]
        self.on_send: Callable[[session_pb2.Send], None] = lambda _send: None
        self.on_call: Callable[[session_pb2.Call], None] = lambda _call: None
        self.on_token: Callable[[str], None] = lambda _token: None
        self.on_read: Callable[[session_pb2.MarkRead], None] = lambda _read: None
        self._methods = methods(self)

    # --- what a test does ---------------------------------------------------------------------------------------------

    def channel(self, channel_id: str, *members: str) -> Log:
        log = Log(channel_id, channel_id.encode().ljust(16, b"\0")[:16], set(members))
        self.logs[channel_id] = log
        return log

    def say(
        self,
        channel_id: str,
        text: str,
        by: str = "bob",
        client_id: str = "",
        mentions: Sequence[str] = (),
        reply_to: int = 0,
    ) -> event_pb2.Event:
        """Append a message and tell everybody."""
        log = self.logs[channel_id]
        message = event_pb2.Message(text=text, mentioned_user_ids=mentions, reply_to_seq=reply_to)
        event = log.append(event_pb2.Event(sender_user_id=by, client_id=client_id, message=message))
        self.tell(log, log.head - 1)
        return event

    def join(self, channel_id: str, user_id: str) -> None:
        log = self.logs[channel_id]
        log.members.add(user_id)
        log.policy_version += 1
        added = event_pb2.MembershipChange(policy_version=log.policy_version, added_user_ids=[user_id])
        log.append(event_pb2.Event(membership_change=added))
        joined = event_pb2.ChannelJoined(channel_id=channel_id, log_id=log.log_id, joined_seq=log.head)
        for connection in self._of(user_id):
            connection.notice(channel=log.mine(user_id))
        self.tell(log, log.head - 1)
        self._inbox(user_id, event_pb2.Event(channel_joined=joined))

    def leave(self, channel_id: str, user_id: str) -> None:
        log = self.logs[channel_id]
        log.policy_version += 1
        removed = event_pb2.MembershipChange(policy_version=log.policy_version, removed_user_ids=[user_id])
        log.append(event_pb2.Event(membership_change=removed))
        self.tell(log, log.head - 1)
        log.members.discard(user_id)
        left = event_pb2.ChannelLeft(channel_id=channel_id, log_id=log.log_id, left_seq=log.head)
        self._inbox(user_id, event_pb2.Event(channel_left=left))

    def amend(self, channel_id: str, by: str = "bob", **content: ProtoMessage) -> event_pb2.Event:
        """Append an edit, a deletion or a reaction of anybody's, and tell everybody."""
        log = self.logs[channel_id]
        event = log.append(event_pb2.Event(sender_user_id=by, **content))  # type: ignore[arg-type]
        self.tell(log, log.head - 1)
        return event

    def change(self, channel_id: str, **content: ProtoMessage) -> event_pb2.Event:
        """Append a change of membership or policy, with the next version, and tell everybody."""
        log = self.logs[channel_id]
        log.policy_version += 1
        event = log.append(event_pb2.Event(**content))  # type: ignore[arg-type]
        getattr(event, event.WhichOneof("content") or "").policy_version = log.policy_version
        self.tell(log, log.head - 1)
        return event

    def prefer(self, channel_id: str, user_id: str, **wanted: bool) -> event_pb2.ChannelPreferences:
        """What one member wants, told to all devices of theirs."""
        log = self.logs[channel_id]
        preferences = log.preferences.setdefault(user_id, event_pb2.ChannelPreferences())
        preferences.version += 1
        for name, value in wanted.items():
            setattr(preferences, name, value)
        preferences.hidden_message_count = log.count(log.head)
        changed = event_pb2.ChannelPreferencesChanged(channel_id=channel_id, log_id=log.log_id, preferences=preferences)
        self._inbox(user_id, event_pb2.Event(channel_preferences_changed=changed))
        return preferences

    def read(self, log: Log, user_id: str, seq: int) -> None:
        """Somebody has read up to a seq."""
        log.reads[user_id] = max(seq, log.reads.get(user_id, 0))
        for other in self._members(log):
            other.notice(
                read=session_pb2.ReadChanged(
                    log_id=log.log_id,
                    user_id=user_id,
                    read_seq=log.reads[user_id],
                    read_message_count=log.count(log.reads[user_id]),
                )
            )

    def cut(self) -> None:
        """Break every session."""
        for connection in self.connections:
            connection.cut()

    def texts(self, channel_id: str) -> list[str]:
        return [event.message.text for event in self.logs[channel_id].events if event.HasField("message")]

    def sends(self) -> list[session_pb2.Send]:
        return [send for frame in self.frames for send in frame.sends]

    # --- the service --------------------------------------------------------------------------------------------------

    async def Listen(  # type: ignore[override] # a coroutine, which gRPC takes and its types do not
        self, _request: session_pb2.ListenRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "the SDK does not listen")

    async def Open(  # type: ignore[override] # likewise: it writes to the context
        self,
        request_iterator: AsyncIterator[session_pb2.ClientFrame],
        context: grpc.aio.ServicerContext[object, object],
    ) -> None:
        token = dict(context.invocation_metadata() or ())["authorization"]
        assert isinstance(token, str)
        self.tokens.append(token.removeprefix("Bearer "))
        try:
            self.on_token(self.tokens[-1])
        except Refusal as refusal:
            await context.abort_with_status(rpc_status.to_status(status(refusal)))
        claims = jwt.decode(self.tokens[-1], options={"verify_signature": False, "verify_exp": False})
        connection = Connection(claims.get("sub", ""))
        self.connections.append(connection)
        reading = asyncio.create_task(self._read(request_iterator, connection))
        try:
            while (frame := await connection.out.get()) is not None:
                for part in self.mangle(frame):
                    await context.write(part)
                if any(notice.HasField("goodbye") for notice in frame.notices):
                    return
            if not reading.done():
                await context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
        finally:
            reading.cancel()
            self.connections.remove(connection)

    async def _read(self, frames: AsyncIterator[session_pb2.ClientFrame], connection: Connection) -> None:
        try:
            async for frame in frames:
                protovalidate.validate(frame)
                self.frames.append(frame)
                if frame.HasField("hello"):
                    self._welcome(connection, frame.hello)
                try:
                    self._commands(connection, frame)
                except LoseAnswer:
                    break
        finally:
            connection.cut()

    def _welcome(self, connection: Connection, hello: session_pb2.Hello) -> None:
        user_id = connection.user_id
        positions = {position.log_id: position.seq for position in hello.positions}
        welcome = session_pb2.Welcome(session_id="s", user_id=user_id, inbox_log_id=inbox_id(user_id))
        connection.notice(welcome=welcome)
        mine = [log for log in self.logs.values() if user_id in log.members]
        for log in mine:
            connection.notice(channel=log.mine(user_id, self.blocks.get(user_id)))
        for log in mine:
            after = positions.get(log.log_id, log.head)
            if log.head - after > self.gap_above:
                connection.notice(gap=session_pb2.Gap(log_id=log.log_id, from_seq=after + 1, to_seq=log.head))
            elif log.head > after:
                connection.push(session_pb2.ServerFrame(slices=[log.slice(after)]))
        inbox = self.inboxes.get(user_id, [])
        if (after := positions.get(inbox_id(user_id), len(inbox))) < len(inbox):
            connection.push(session_pb2.ServerFrame(slices=[inbox_slice(user_id, inbox, after)]))
        connection.notice(caught_up=session_pb2.CaughtUp())

    def _commands(self, connection: Connection, frame: session_pb2.ClientFrame) -> None:
        for send in frame.sends:
            self._send(connection, send)
        for call in frame.calls:
            try:
                self.on_call(call)
                response = self._call(call, call.as_user_id or connection.user_id)
            except Refusal as refusal:
                connection.push(session_pb2.ServerFrame(failures=[failure(call.request_id, refusal)]))
            else:
                reply = session_pb2.Reply(request_id=call.request_id, response=response.SerializeToString())
                connection.push(session_pb2.ServerFrame(replies=[reply]))
        self._signals(connection, frame)

    def _signals(self, connection: Connection, frame: session_pb2.ClientFrame) -> None:
        for read in frame.reads:
            try:
                self.on_read(read)
            except Refusal as refusal:
                connection.push(session_pb2.ServerFrame(failures=[failure(read.request_id, refusal)]))
            else:
                self.read(self.logs[read.channel_id], connection.user_id, read.read_seq)
        for delivery in frame.deliveries:
            self._delivered(self.logs[delivery.channel_id], connection.user_id, delivery.delivered_seq)
        for typing in frame.typings:
            log = self.logs[typing.channel_id]
            for other in self._members(log):
                changed = session_pb2.TypingChanged(log_id=log.log_id, user_id=connection.user_id, active=typing.active)
                other.notice(typing=changed)
        for watch in frame.watches:
            connection.watched.difference_update(watch.user_ids)
            if not watch.stop:
                connection.watched.update(watch.user_ids)
                for user_id in watch.user_ids:
                    connection.notice(presence=session_pb2.Presence(user_id=user_id, online=bool(self._of(user_id))))

    def _delivered(self, log: Log, user_id: str, seq: int) -> None:
        log.deliveries[user_id] = max(seq, log.deliveries.get(user_id, 0))
        for other in self._members(log):
            delivered = session_pb2.DeliveredChanged(log_id=log.log_id, user_id=user_id, delivered_seq=seq)
            other.notice(delivered=delivered)

    def _send(self, connection: Connection, send: session_pb2.Send) -> None:
        by = send.as_user_id or connection.user_id
        try:
            self.on_send(send)
            event = self._append(send, by)
        except Refusal as refusal:
            connection.push(session_pb2.ServerFrame(failures=[failure(send.request_id, refusal)]))
        except LoseAnswer:
            self._append(send, by)
            raise
        else:
            ack = session_pb2.Ack(request_id=send.request_id, seq=event.seq, time_ms=event.time_ms)
            connection.push(session_pb2.ServerFrame(acks=[ack]))

    def _append(self, send: session_pb2.Send, by: str) -> event_pb2.Event:
        log = self.log_of(send.channel_id, by)
        for event in log.events:
            if event.client_id == send.client_message_id and event.sender_user_id == by:
                return event
        event = log.append(event_pb2.Event(sender_user_id=by, client_id=send.client_message_id, message=send.message))
        self.tell(log, log.head - 1)
        return event

    def log_of(self, channel_id: str, by: str) -> Log:
        log = self.logs.get(channel_id)
        if log is not None and (not by or by in log.members):
            return log
        if log is not None and log.kind == channel_pb2.CHANNEL_KIND_OPEN:
            raise Refusal(grpc.StatusCode.PERMISSION_DENIED, error_pb2.ERROR_REASON_NOT_JOINED)
        raise Refusal(grpc.StatusCode.NOT_FOUND, error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND)

    def _call(self, call: session_pb2.Call, by: str) -> ProtoMessage:
        handler = self._methods.get(call.method)
        if handler is None:
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, error_pb2.ERROR_REASON_METHOD_UNKNOWN)
        return handler(call.request, by)

    def tell(self, log: Log, after: int) -> None:
        for connection in self._members(log):
            connection.push(session_pb2.ServerFrame(slices=[log.slice(after)]))

    def _inbox(self, user_id: str, event: event_pb2.Event) -> None:
        inbox = self.inboxes.setdefault(user_id, [])
        event.seq = len(inbox) + 1
        inbox.append(event)
        for connection in self._of(user_id):
            connection.push(session_pb2.ServerFrame(slices=[inbox_slice(user_id, inbox, event.seq - 1)]))

    def _members(self, log: Log) -> list[Connection]:
        return [connection for connection in self.connections if connection.user_id in log.members]

    def _of(self, user_id: str) -> list[Connection]:
        return [connection for connection in self.connections if connection.user_id == user_id]


@asynccontextmanager
async def serving(gateway: FakeGateway, port: int = 0) -> AsyncIterator[str]:
    server = grpc.aio.server()
    session_pb2_grpc.add_SessionServiceServicer_to_server(gateway, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        await server.stop(None)
