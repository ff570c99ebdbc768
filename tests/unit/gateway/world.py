"""Logs and memberships in memory behind real gRPC, a bus of one process, and sessions that read from them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import channel_pb2, event_pb2, session_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc
from tertulia_internal.message_store.v1 import log_pb2
from tertulia_internal.presence.v1 import presence_pb2, presence_pb2_grpc

from libs.bus.subjects import log_subject, presence_subject
from libs.log_owners import LogRouter, Owners
from libs.rpc.caller import Caller
from libs.rpc.client import open_channel
from libs.rpc.errors import TertuliaError
from libs.rpc.server import new_server
from libs.rpc.transport import Transport
from libs.runtime.process import running
from services.gateway.appender import Appender
from services.gateway.blocks import Blocks
from services.gateway.carrier import Carried
from services.gateway.commands import Handlers
from services.gateway.deliveries import Deliveries
from services.gateway.grants import Grant, Grants, member_grant
from services.gateway.hub import Hub
from services.gateway.identity import Identity
from services.gateway.inboxes import Inboxes
from services.gateway.log_client import LogClient
from services.gateway.methods import Method
from services.gateway.positions import Positions
from services.gateway.session import Session
from services.gateway.session_logs import Sources
from services.gateway.stats import Stats, batch_sizes
from services.gateway.typing_signals import TypingSignals
from services.gateway.watches import Watches
from tests.unit.gateway.logs import MemoryLog
from tests.unit.gateway.peers import MEMBER, no_limits

_LOGS = log_pb2.DESCRIPTOR.services_by_name["LogService"]
_ACCESS = access_pb2.DESCRIPTOR.services_by_name["AccessService"]
_PRESENCE = presence_pb2.DESCRIPTOR.services_by_name["PresenceService"]

MAX_DELTA = 100
MAX_MEMBERS = 3


class MemoryBus:
    """`libs.bus.Bus` within a process: what is published is heard at once."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[Callable[[bytes], None]]] = {}
        self._disturbance_handlers: list[Callable[[], None]] = []

    async def publish(self, subject: str, payload: bytes) -> None:
        self.ring(subject, payload)

    def ring(self, subject: str, payload: bytes) -> None:
        for handler in list(self._handlers.get(subject, [])):
            handler(payload)

    async def subscribe(self, subject: str, handler: Callable[[bytes], None]) -> "_Subscription":
        handlers = self._handlers.setdefault(subject, [])
        handlers.append(handler)
        return _Subscription(lambda: handlers.remove(handler))

    async def flush(self) -> None:
        return

    def on_disturbance(self, handler: Callable[[], None]) -> None:
        self._disturbance_handlers.append(handler)

    def disturb(self) -> None:
        """As if something had been lost, which it never is here."""
        for handler in self._disturbance_handlers:
            handler()


class _Subscription:
    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end

    async def cancel(self) -> None:
        self._end()


class World:
    """What message_store and channel know, as far as reading goes."""

    def __init__(self) -> None:
        self.bus = MemoryBus()
        self.logs: dict[bytes, MemoryLog] = {}
        self.members: dict[str, set[str]] = {}
        self.lost: set[str] = set()
        """The doorbells of these channels are lost."""
        self.part_channels = 2
        """How many channels a part of an inbox holds."""
        self.notice_bytes = 0
        """About how large a channel's description is."""
        self.permissions: dict[str, channel_pb2.ChannelPermissions] = {}
        """What users may do, in place of what members may."""
        self.online: set[str] = set()
        self.blocks: set[tuple[str, str]] = set()
        """Who has blocked whom."""
        self.typed: list[str] = []
        """Who was announced to be typing."""
        self.delivered: list[dict[tuple[str, str], int]] = []
        """Batches of delivered positions, by channel and user."""
        self.reads: list[list[tuple[str, int]]] = []
        """Batches of read positions, each with its channel."""
        self.advance = asyncio.Event()
        self.advance.set()
        """Cleared: read positions wait."""
        self.advancing = asyncio.Event()
        self.deliver = asyncio.Event()
        self.deliver.set()
        """Cleared: delivered positions wait."""
        self.delivering = asyncio.Event()
        self.delivery_errors: list[TertuliaError] = []
        self.describe = asyncio.Event()
        self.describe.set()
        """Cleared: nobody is told of a channel that they have joined."""
        self.describing = asyncio.Event()
        """Somebody has asked."""
        self.begin = asyncio.Event()
        self.begin.set()
        """Cleared: nobody is told of heads."""
        self.beginning = asyncio.Event()
        """Somebody has asked for them since."""

    def channel(self, channel_id: str, *members: str) -> MemoryLog:
        self.members[channel_id] = set(members)
        log = self.logs[channel_log(channel_id)] = MemoryLog()
        log.change(added=members)
        return log

    def say(self, channel_id: str, text: str) -> None:
        self.logs[channel_log(channel_id)].say(text)
        self.ring(channel_id)

    def remove(self, channel_id: str, user_id: str) -> None:
        self.logs[channel_log(channel_id)].change(removed=[user_id])
        self.members[channel_id].discard(user_id)
        self.ring(channel_id)

    def delete(self, channel_id: str) -> None:
        self.logs[channel_log(channel_id)].delete_channel()
        self.members[channel_id].clear()
        self.ring(channel_id)

    def ring(self, channel_id: str) -> None:
        """The doorbell of the channel's newest event, if the bus loses none."""
        if channel_id not in self.lost:
            self._ring(channel_log(channel_id))

    def join(self, channel_id: str, user_id: str) -> None:
        """Everything that channel does of it."""
        log = self.logs[channel_log(channel_id)]
        log.change(added=[user_id])
        self.members[channel_id].add(user_id)
        self.ring(channel_id)
        joined = event_pb2.ChannelJoined(channel_id=channel_id, log_id=channel_log(channel_id), joined_seq=log.head)
        self._log(inbox_log(user_id)).append(event_pb2.Event(channel_joined=joined))
        self._ring(inbox_log(user_id))

    async def authorize(self, request: access_pb2.AuthorizeRequest, context: object) -> access_pb2.AuthorizeResponse:
        mine = self.mine(request.channel_id, request.user_id)
        return access_pb2.AuthorizeResponse(
            log_id=mine.channel.log_id,
            policy_version=mine.channel.policy_version,
            member_count=mine.channel.member_count,
            permissions=mine.permissions,
        )

    async def advance_positions(
        self,
        request: access_pb2.AdvancePositionsRequest,
        context: object,
    ) -> access_pb2.AdvancePositionsResponse:
        self.advancing.set()
        await self.advance.wait()
        self.reads.append([(one.channel_id, one.read_seq) for one in request.advances])
        refusals = (
            access_pb2.ADVANCE_REFUSAL_ABOVE_HEAD
            if one.read_seq > self.logs[channel_log(one.channel_id)].head
            else access_pb2.ADVANCE_REFUSAL_UNSPECIFIED
            for one in request.advances
        )
        return access_pb2.AdvancePositionsResponse(
            results=[access_pb2.AdvanceResult(refusal=refusal) for refusal in refusals]
        )

    async def advance_delivered(
        self,
        request: access_pb2.AdvanceDeliveredRequest,
        context: object,
    ) -> access_pb2.AdvanceDeliveredResponse:
        self.delivering.set()
        await self.deliver.wait()
        if self.delivery_errors:
            raise self.delivery_errors.pop(0)
        self.delivered.append({(one.channel_id, one.user_id): one.delivered_seq for one in request.advances})
        return access_pb2.AdvanceDeliveredResponse()

    async def who_blocked(
        self,
        request: access_pb2.WhoBlockedRequest,
        context: object,
    ) -> access_pb2.WhoBlockedResponse:
        by = [user_id for user_id in request.by_user_ids if (user_id, request.user_id) in self.blocks]
        return access_pb2.WhoBlockedResponse(by_user_ids=by)

    async def announce_typing(
        self,
        request: presence_pb2.AnnounceTypingRequest,
        context: object,
    ) -> presence_pb2.AnnounceTypingResponse:
        self.typed += [signal.user_id for signal in request.signals]
        return presence_pb2.AnnounceTypingResponse()

    async def get_presence(
        self,
        request: presence_pb2.GetPresenceRequest,
        context: object,
    ) -> presence_pb2.GetPresenceResponse:
        return presence_pb2.GetPresenceResponse(presences=[self._presence(user_id) for user_id in request.user_ids])

    def come(self, user_id: str) -> None:
        """A user is online now."""
        self.online.add(user_id)
        signal = signal_pb2.PresenceSignal(presence=self._presence(user_id))
        self.bus.ring(presence_subject("app", user_id), signal.SerializeToString())

    def block(self, user_id: str, blocked_user_id: str) -> None:
        self.blocks.add((user_id, blocked_user_id))
        self._ring_block(user_id, blocked_user_id)

    def unblock(self, user_id: str, blocked_user_id: str) -> None:
        self.blocks.discard((user_id, blocked_user_id))
        self._ring_block(user_id, blocked_user_id)

    def _ring_block(self, user_id: str, blocked_user_id: str) -> None:
        signal = signal_pb2.PresenceSignal(block_changed_user_id=blocked_user_id)
        self.bus.ring(presence_subject("app", user_id), signal.SerializeToString())

    def _presence(self, user_id: str) -> session_pb2.Presence:
        return session_pb2.Presence(user_id=user_id, online=user_id in self.online)

    async def heads(self, request: log_pb2.HeadsRequest, context: object) -> log_pb2.HeadsResponse:
        self.beginning.set()
        await self.begin.wait()
        logs = [self._log(key.log_id) for key in request.logs]
        return log_pb2.HeadsResponse(
            heads=[log_pb2.Head(seq=log.head, policy_version=log.policy_version) for log in logs]
        )

    async def read(self, request: log_pb2.ReadRequest, context: object) -> log_pb2.ReadResponse:
        log = self._log(request.log.log_id)
        to_seq = min(request.to_seq, log.head)
        events = log.events[request.from_seq - 1 : to_seq]
        return log_pb2.ReadResponse(events=events, from_seq=request.from_seq, to_seq=to_seq, head_seq=log.head)

    async def open_inbox(
        self,
        request: access_pb2.OpenInboxRequest,
        context: object,
    ) -> AsyncIterator[access_pb2.OpenInboxResponse]:
        if request.channel_id in self.members:
            self.describing.set()
            await self.describe.wait()
        mine = [
            channel_id
            for channel_id, members in self.members.items()
            if request.user_id in members and request.channel_id in ("", channel_id)
        ]
        for start in range(0, len(mine) or 1, self.part_channels):
            part = [self.mine(channel_id, request.user_id) for channel_id in mine[start : start + self.part_channels]]
            yield access_pb2.OpenInboxResponse(inbox_log_id=inbox_log(request.user_id), channels=part)

    def mine(self, channel_id: str, user_id: str) -> channel_pb2.MyChannel:
        log = self.logs[channel_log(channel_id)]
        channel = channel_pb2.Channel(
            channel_id=channel_id,
            log_id=channel_log(channel_id),
            policy_version=log.policy_version,
            member_count=len(self.members[channel_id]),
            custom_data="x" * self.notice_bytes,
        )
        permissions = self.permissions.get(user_id, MEMBER)
        return channel_pb2.MyChannel(channel=channel, head_seq=log.head, permissions=permissions)

    def _log(self, log_id: bytes) -> MemoryLog:
        return self.logs.setdefault(log_id, MemoryLog())

    def _ring(self, log_id: bytes) -> None:
        log = self.logs[log_id]
        [segment] = log.segments(log.head, log.head)
        piece = session_pb2.ServerFrame.FromString(segment.frame)
        piece.slices[0].log_id = log_id
        bell = signal_pb2.Doorbell(
            from_seq=log.head,
            to_seq=log.head,
            frame=piece.SerializeToString(),
            control=segment.control is not None,
        )
        self.bus.ring(log_subject(log_id), signal_pb2.LogSignal(doorbell=bell).SerializeToString())


class Wire:
    """A client's stream: `heard` is all that came."""

    def __init__(self) -> None:
        self.heard = session_pb2.ServerFrame()
        self.open = asyncio.Event()
        self.open.set()
        """Cleared: the client reads nothing."""
        self._said: asyncio.Queue[bytes] = asyncio.Queue()

    def say(self, **commands: Sequence[Message]) -> None:
        """A frame of the client."""
        self._said.put_nowait(session_pb2.ClientFrame(**commands).SerializeToString())  # type: ignore[arg-type] # each field has its own type

    async def read(self) -> bytes | None:
        return await self._said.get()

    async def write(self, data: bytes) -> None:
        await self.open.wait()
        self.heard.MergeFromString(data)

    def presences(self, user_id: str) -> list[bool]:
        """Whether somebody was said to be online, each time."""
        presences = [notice.presence for notice in self.heard.notices if notice.HasField("presence")]
        return [presence.online for presence in presences if presence.user_id == user_id]

    def kinds(self) -> list[str | None]:
        return [notice.WhichOneof("notice") for notice in self.heard.notices]

    def channels(self) -> list[str]:
        return [notice.channel.channel.channel_id for notice in self.heard.notices if notice.HasField("channel")]

    def gaps(self, channel_id: str) -> list[tuple[int, int]]:
        gaps = [notice.gap for notice in self.heard.notices if notice.HasField("gap")]
        return [(gap.from_seq, gap.to_seq) for gap in gaps if gap.log_id == channel_log(channel_id)]

    def last(self, channel_id: str) -> int:
        """The last seq that came of a channel."""
        return max((piece.to_seq for piece in self.heard.slices if piece.log_id == channel_log(channel_id)), default=0)

    def texts(self, channel_id: str) -> list[str]:
        return [
            event.message.text
            for piece in self.heard.slices
            if piece.log_id == channel_log(channel_id)
            for event in piece.events
            if event.HasField("message")
        ]


class Stage:
    """A world and the parts of a gateway around it."""

    def __init__(self, world: World, channel: grpc.aio.Channel) -> None:
        self.world = world
        self.stats = Stats()
        access = access_pb2_grpc.AccessServiceStub(channel)
        router = LogRouter(Owners([channel]))
        presence = presence_pb2_grpc.PresenceServiceStub(channel)
        logs = LogClient(router)
        self.hub = Hub(world.bus, logs, MAX_DELTA, self.stats)
        self.methods: dict[str, Method] = {}
        self.positions = Positions(access, 5)
        self.deliveries = Deliveries(access, MAX_MEMBERS)
        self.typing = TypingSignals(presence, MAX_MEMBERS)
        self.watches = Watches(world.bus, presence, Blocks(access), self.stats)
        grants = Grants(access, 5, self.hub.policy_version)
        appender = Appender(router, grants, no_limits(), 5, self.stats, batch_sizes(CollectorRegistry()))
        self._sources = Sources(self.hub, logs, Inboxes(access), grants, MAX_DELTA, asyncio.Semaphore(1), self.stats)
        self._handlers = Handlers(
            appender,
            grants,
            no_limits(),
            self.positions,
            self.deliveries,
            self.typing,
            self.watches,
            self.methods,
        )
        self.appender = appender

    def grant(self, user_id: str, channel_id: str) -> Grant:
        return member_grant("app", user_id, self.world.mine(channel_id, user_id))

    def holders(self, log_id: bytes) -> int:
        """How many sessions the gateway thinks read a log."""
        feed = self.hub._feeds.get(log_id)
        return feed.holders if feed is not None else 0

    @asynccontextmanager
    async def session(
        self, user_id: str, transport: Transport, held: Mapping[str, int] | None = None
    ) -> AsyncIterator[tuple[Session, "asyncio.Task[None]"]]:
        """A session that has said hello, holding channels up to some seqs, and its life."""
        carried = transport if isinstance(transport, Carried) else None
        identity = Identity(Caller("app", user_id, server=False), 2.0**40)
        session = Session(identity, transport, 1 << 20, self.stats, carried)
        positions = [
            session_pb2.Position(log_id=channel_log(channel_id), seq=seq) for channel_id, seq in (held or {}).items()
        ]
        hello = session_pb2.ClientFrame(hello=session_pb2.Hello(positions=positions))
        life = asyncio.create_task(session.run(hello, self._sources, self._handlers))
        try:
            yield session, life
        finally:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    world = World()
    address = f"unix:{folder}/world.sock"
    server = new_server(CollectorRegistry())
    server.add_generic_rpc_handlers(
        [
            _handlers(_LOGS, {"Heads": world.heads, "Read": world.read}),
            _handlers(
                _ACCESS,
                {
                    "OpenInbox": world.open_inbox,
                    "Authorize": world.authorize,
                    "AdvancePositions": world.advance_positions,
                    "AdvanceDelivered": world.advance_delivered,
                    "WhoBlocked": world.who_blocked,
                },
            ),
            _handlers(_PRESENCE, {"GetPresence": world.get_presence, "AnnounceTyping": world.announce_typing}),
        ]
    )
    server.add_insecure_port(address)
    await server.start()
    try:
        async with open_channel(address) as channel:
            await channel.channel_ready()  # on a busy machine the first attempts to connect may come to nothing
            stage = Stage(world, channel)
            async with running(
                *(stage.hub.run(), stage.positions.run(), stage.deliveries.run()),
                *(stage.typing.run(), stage.watches.run(), stage.appender.run()),
            ):
                yield stage
    finally:
        await server.stop(None)


def _handlers(service: ServiceDescriptor, handlers: Mapping[str, Callable[..., Any]]) -> grpc.GenericRpcHandler:
    table: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for name, handler in handlers.items():
        request = message_factory.GetMessageClass(service.methods_by_name[name].input_type)
        make = grpc.unary_stream_rpc_method_handler if name == "OpenInbox" else grpc.unary_unary_rpc_method_handler
        table[name] = make(handler, request.FromString, lambda response: response.SerializeToString())
    return grpc.method_handlers_generic_handler(service.full_name, table)


def channel_log(channel_id: str) -> bytes:
    return channel_id.encode().ljust(16, b"-")


def inbox_log(user_id: str) -> bytes:
    return f"inbox {user_id}".encode().ljust(16, b"-")
