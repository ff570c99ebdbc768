"""A gateway that speaks the real protocol over real gRPC, and misbehaves as a test tells it.

It keeps logs as the contract says (seqs without gaps, one seq per client id) and checks what clients send against the rules
of the protos, so that a test cannot pass by both sides being wrong. `tests/integration/sdk` runs the same promises against
the real services.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import jwt
import protovalidate
from google.protobuf.message import Message as ProtoMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from tertulia.chat.v1 import (
    channel_pb2,
    error_pb2,
    event_pb2,
    message_pb2,
    session_pb2,
    session_pb2_grpc,
    user_pb2,
)

Mangle = Callable[[session_pb2.ServerFrame], Sequence[session_pb2.ServerFrame]]
"""What really goes out in place of a frame."""


class Refusal(Exception):
    """A hook's answer to a command: refuse it."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: error_pb2.ErrorReason.ValueType,
        *,
        retry_after_ms: int = 0,
        **metadata: str,
    ) -> None:
        super().__init__(str(reason))
        self.code, self.reason, self.metadata, self.retry_after_ms = code, reason, metadata, retry_after_ms


class LoseAnswer(Exception):
    """A hook's answer to a send: do it, then break the connection before the acknowledgement."""


@dataclass
class Log:
    """A channel."""

    channel_id: str
    log_id: bytes
    members: set[str]
    events: list[event_pb2.Event] = field(default_factory=list)
    reads: dict[str, int] = field(default_factory=dict)
    kind: channel_pb2.ChannelKind.ValueType = channel_pb2.CHANNEL_KIND_GROUP

    @property
    def head(self) -> int:
        return len(self.events)

    def count(self, seq: int) -> int:
        return self.events[seq - 1].message_count if seq else 0

    def append(self, event: event_pb2.Event) -> event_pb2.Event:
        event.seq = self.head + 1
        event.time_ms = 1_700_000_000_000 + event.seq
        event.message_count = self.count(self.head) + event.HasField("message")
        self.events.append(event)
        return event

    def slice(self, after: int, to: int | None = None) -> session_pb2.Slice:
        to = self.head if to is None else to
        return session_pb2.Slice(
            log_id=self.log_id, from_seq=after + 1, to_seq=to, head_seq=self.head, events=self.events[after:to]
        )

    def mine(self, user_id: str) -> channel_pb2.MyChannel:
        read = self.reads.get(user_id, 0)
        mine = channel_pb2.MyChannel(
            channel=self.proto(),
            head_seq=self.head,
            head_message_count=self.count(self.head),
            read_seq=read,
            read_message_count=self.count(read),
            unread_count=self.count(self.head) - self.count(read),
        )
        for event in reversed(self.events):
            if event.HasField("message"):
                mine.last_message.CopyFrom(event)
                break
        return mine

    def proto(self) -> channel_pb2.Channel:
        return channel_pb2.Channel(
            channel_id=self.channel_id, log_id=self.log_id, kind=self.kind, member_count=len(self.members)
        )


class Connection:
    """One session of one client."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.out: asyncio.Queue[session_pb2.ServerFrame | None] = asyncio.Queue()
        self.watched: set[str] = set()

    def push(self, frame: session_pb2.ServerFrame) -> None:
        self.out.put_nowait(frame)

    def notice(self, **kind: ProtoMessage) -> None:
        self.push(session_pb2.ServerFrame(notices=[session_pb2.Notice(**kind)]))  # type: ignore[arg-type]

    def cut(self) -> None:
        """Break the stream, without a goodbye."""
        self.out.put_nowait(None)


class FakeGateway(session_pb2_grpc.SessionServiceServicer):
    """The server; tests read and write its attributes at will."""

    def __init__(self) -> None:
        self.logs: dict[str, Log] = {}
        self.users: dict[str, user_pb2.User] = {}
        self.inboxes: dict[str, list[event_pb2.Event]] = {}
        self.connections: list[Connection] = []
        self.frames: list[session_pb2.ClientFrame] = []  # all that came in
        self.tokens: list[str] = []
        self.gap_above = 1_000  # a larger delta is answered with a gap notice
        self.mangle: Mangle = lambda frame: [frame]
        self.on_send: Callable[[session_pb2.Send], None] = lambda _send: None
        self.on_call: Callable[[session_pb2.Call], None] = lambda _call: None
        self.on_token: Callable[[str], None] = lambda _token: None

    # --- what a test does ---------------------------------------------------------------------------------------------

    def channel(self, channel_id: str, *members: str) -> Log:
        log = Log(channel_id, channel_id.encode().ljust(16, b"\0")[:16], set(members))
        self.logs[channel_id] = log
        return log

    def say(self, channel_id: str, text: str, by: str = "bob", client_id: str = "") -> event_pb2.Event:
        """Append a message and tell everybody."""
        log = self.logs[channel_id]
        event = log.append(
            event_pb2.Event(sender_user_id=by, client_id=client_id, message=event_pb2.Message(text=text))
        )
        self._tell(log, log.head - 1)
        return event

    def join(self, channel_id: str, user_id: str) -> None:
        log = self.logs[channel_id]
        log.members.add(user_id)
        log.append(event_pb2.Event(membership_change=event_pb2.MembershipChange(added_user_ids=[user_id])))
        joined = event_pb2.ChannelJoined(channel_id=channel_id, log_id=log.log_id, joined_seq=log.head)
        for connection in self._of(user_id):
            connection.notice(channel=log.mine(user_id))
        self._tell(log, log.head - 1)
        self._inbox(user_id, event_pb2.Event(channel_joined=joined))

    def leave(self, channel_id: str, user_id: str) -> None:
        log = self.logs[channel_id]
        log.append(event_pb2.Event(membership_change=event_pb2.MembershipChange(removed_user_ids=[user_id])))
        self._tell(log, log.head - 1)
        log.members.discard(user_id)
        left = event_pb2.ChannelLeft(channel_id=channel_id, log_id=log.log_id, left_seq=log.head)
        self._inbox(user_id, event_pb2.Event(channel_left=left))

    def cut(self) -> None:
        """Break every session."""
        for connection in self.connections:
            connection.cut()

    def texts(self, channel_id: str) -> list[str]:
        return [event.message.text for event in self.logs[channel_id].events if event.HasField("message")]

    def sends(self) -> list[session_pb2.Send]:
        return [send for frame in self.frames for send in frame.sends]

    # --- the service --------------------------------------------------------------------------------------------------

    async def Listen(  # type: ignore[override] # noqa: N802
        self, _request: session_pb2.ListenRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "the SDK does not listen")

    async def Open(  # type: ignore[override] # noqa: N802 - gRPC's name; streams may write to the context
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
            await context.abort_with_status(rpc_status.to_status(_status(refusal)))
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
        welcome = session_pb2.Welcome(session_id="s", user_id=user_id, inbox_log_id=_inbox_id(user_id))
        connection.notice(welcome=welcome)
        mine = [log for log in self.logs.values() if user_id in log.members]
        for log in mine:
            connection.notice(channel=log.mine(user_id))
        for log in mine:
            after = positions.get(log.log_id, log.head)
            if log.head - after > self.gap_above:
                connection.notice(gap=session_pb2.Gap(log_id=log.log_id, from_seq=after + 1, to_seq=log.head))
            elif log.head > after:
                connection.push(session_pb2.ServerFrame(slices=[log.slice(after)]))
        inbox = self.inboxes.get(user_id, [])
        if (after := positions.get(_inbox_id(user_id), len(inbox))) < len(inbox):
            connection.push(session_pb2.ServerFrame(slices=[_inbox_slice(user_id, inbox, after)]))
        connection.notice(caught_up=session_pb2.CaughtUp())

    def _commands(self, connection: Connection, frame: session_pb2.ClientFrame) -> None:
        for send in frame.sends:
            self._send(connection, send)
        for call in frame.calls:
            try:
                self.on_call(call)
                response = self._call(call, call.as_user_id or connection.user_id)
            except Refusal as refusal:
                connection.push(session_pb2.ServerFrame(failures=[_failure(call.request_id, refusal)]))
            else:
                reply = session_pb2.Reply(request_id=call.request_id, response=response.SerializeToString())
                connection.push(session_pb2.ServerFrame(replies=[reply]))
        for read in frame.reads:
            log = self.logs[read.channel_id]
            log.reads[connection.user_id] = max(read.read_seq, log.reads.get(connection.user_id, 0))
            for other in self._members(log):
                other.notice(
                    read=session_pb2.ReadChanged(
                        log_id=log.log_id,
                        user_id=connection.user_id,
                        read_seq=log.reads[connection.user_id],
                        read_message_count=log.count(log.reads[connection.user_id]),
                    )
                )
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

    def _send(self, connection: Connection, send: session_pb2.Send) -> None:
        by = send.as_user_id or connection.user_id
        try:
            self.on_send(send)
            event = self._append(send, by)
        except Refusal as refusal:
            connection.push(session_pb2.ServerFrame(failures=[_failure(send.request_id, refusal)]))
        except LoseAnswer:
            self._append(send, by)
            raise
        else:
            ack = session_pb2.Ack(request_id=send.request_id, seq=event.seq, time_ms=event.time_ms)
            connection.push(session_pb2.ServerFrame(acks=[ack]))

    def _append(self, send: session_pb2.Send, by: str) -> event_pb2.Event:
        log = self._log(send.channel_id, by)
        for event in log.events:
            if event.client_id == send.client_message_id and event.sender_user_id == by:
                return event
        event = log.append(event_pb2.Event(sender_user_id=by, client_id=send.client_message_id, message=send.message))
        self._tell(log, log.head - 1)
        return event

    def _log(self, channel_id: str, by: str) -> Log:
        log = self.logs.get(channel_id)
        if log is None or (by and by not in log.members):
            raise Refusal(grpc.StatusCode.NOT_FOUND, error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND)
        return log

    def _call(self, call: session_pb2.Call, by: str) -> ProtoMessage:  # noqa: C901 - a case for each method
        match call.method:
            case "MessageService/ListEvents":
                request = message_pb2.ListEventsRequest.FromString(call.request)
                log = self._log(request.channel_id, by)
                to = min(log.head, request.after_seq + (request.page_size or 200))
                return message_pb2.ListEventsResponse(slice=log.slice(request.after_seq, to))
            case "MessageService/ListMessages":
                return self._list_messages(message_pb2.ListMessagesRequest.FromString(call.request), by)
            case "UserService/UpsertUsers":
                upsert = user_pb2.UpsertUsersRequest.FromString(call.request)
                protovalidate.validate(upsert)
                for profile in upsert.users:
                    user = self.users.setdefault(profile.user_id, user_pb2.User(user_id=profile.user_id))
                    if profile.HasField("name"):
                        user.name = profile.name
                return user_pb2.UpsertUsersResponse(users=[self.users[p.user_id] for p in upsert.users])
            case "UserService/GetUser":
                user_id = user_pb2.GetUserRequest.FromString(call.request).user_id
                if user_id not in self.users:
                    raise Refusal(grpc.StatusCode.NOT_FOUND, error_pb2.ERROR_REASON_USER_NOT_FOUND)
                return user_pb2.GetUserResponse(user=self.users[user_id])
            case "ChannelService/GetChannel":
                channel_id = channel_pb2.GetChannelRequest.FromString(call.request).channel_id
                return channel_pb2.GetChannelResponse(channel=self._log(channel_id, by).proto())
            case "ChannelService/CreateChannel":
                create = channel_pb2.CreateChannelRequest.FromString(call.request)
                protovalidate.validate(create)
                members = {*create.member_user_ids, *([by] if by else [])}
                channel_id = create.channel_id or "d_" + "-".join(sorted(members))
                log = self.logs.get(channel_id) or self.channel(channel_id, *members)
                log.kind = create.kind
                return channel_pb2.CreateChannelResponse(channel=log.proto())
            case "ChannelService/AddMembers":
                add = channel_pb2.AddMembersRequest.FromString(call.request)
                protovalidate.validate(add)
                log = self._log(add.channel_id, by)
                log.members.update(add.user_ids)
                return channel_pb2.AddMembersResponse(channel=log.proto())
            case "ChannelService/ListMembers":
                log = self._log(channel_pb2.ListMembersRequest.FromString(call.request).channel_id, by)
                reads = {user_id: log.reads.get(user_id, 0) for user_id in sorted(log.members)}
                rows = [channel_pb2.Member(user_id=user_id, read_seq=seq) for user_id, seq in reads.items()]
                return channel_pb2.ListMembersResponse(members=rows)
            case "ChannelService/ListMyChannels":
                mine = [log.mine(by) for log in self.logs.values() if by in log.members]
                return channel_pb2.ListMyChannelsResponse(channels=mine)
            case _:
                raise Refusal(grpc.StatusCode.UNIMPLEMENTED, error_pb2.ERROR_REASON_METHOD_UNKNOWN)

    def _list_messages(self, request: message_pb2.ListMessagesRequest, by: str) -> message_pb2.ListMessagesResponse:
        log = self._log(request.channel_id, by)
        said = [event for event in log.events if event.HasField("message")]
        size = min(request.page_size or 50, 200)
        if request.page_token:
            way, _, at = request.page_token.partition(":")
            forward, seq = way == "newer", int(at)
        else:
            forward, seq = request.HasField("after_seq"), request.after_seq or request.before_seq or log.head + 1
            seq = request.after_seq if forward else seq
        page = [e for e in said if e.seq > seq][:size] if forward else [e for e in said if e.seq < seq][-size:]
        response = message_pb2.ListMessagesResponse(events=page, head_seq=log.head)
        if page and page[0].seq > said[0].seq:
            response.older_page_token = f"older:{page[0].seq}"
        if page and page[-1].seq < said[-1].seq:
            response.newer_page_token = f"newer:{page[-1].seq}"
        return response

    def _tell(self, log: Log, after: int) -> None:
        for connection in self._members(log):
            connection.push(session_pb2.ServerFrame(slices=[log.slice(after)]))

    def _inbox(self, user_id: str, event: event_pb2.Event) -> None:
        inbox = self.inboxes.setdefault(user_id, [])
        event.seq = len(inbox) + 1
        inbox.append(event)
        for connection in self._of(user_id):
            connection.push(session_pb2.ServerFrame(slices=[_inbox_slice(user_id, inbox, event.seq - 1)]))

    def _members(self, log: Log) -> list[Connection]:
        return [connection for connection in self.connections if connection.user_id in log.members]

    def _of(self, user_id: str) -> list[Connection]:
        return [connection for connection in self.connections if connection.user_id == user_id]


def _inbox_id(user_id: str) -> bytes:
    return f"inbox:{user_id}".encode().ljust(16, b"\0")[:16] if user_id else b""


def _inbox_slice(user_id: str, inbox: list[event_pb2.Event], after: int) -> session_pb2.Slice:
    return session_pb2.Slice(
        log_id=_inbox_id(user_id), from_seq=after + 1, to_seq=len(inbox), head_seq=len(inbox), events=inbox[after:]
    )


def _failure(request_id: int, refusal: Refusal) -> session_pb2.Failure:
    return session_pb2.Failure(
        request_id=request_id,
        code=refusal.code.value[0],
        message="as the test wants it",
        reason=refusal.reason,
        metadata=refusal.metadata,
    )


def _status(refusal: Refusal) -> status_pb2.Status:
    status = status_pb2.Status(code=refusal.code.value[0], message="as the test wants it")
    reason = error_pb2.ErrorReason.Name(refusal.reason).removeprefix("ERROR_REASON_")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="tertulia"))
    if refusal.retry_after_ms:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(refusal.retry_after_ms)
        status.details.add().Pack(retry)
    return status


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
