"""Readers with nothing between them and the session's frames: no SDK fetches what a gateway has left out."""

import asyncio
from collections.abc import Sequence

import grpc
from tertulia.chat.v1 import session_pb2, session_pb2_grpc
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.faults.operations import Recorder, Shown, Told, entries_of

DEVELOPMENT = Secret.parse(DEVELOPMENT_SECRET)
_PAUSE_SECONDS = 0.1  # before another gateway is tried
_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 10_000),  # a gateway that is silent is left
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
]


class Tail:
    """Follows all channels of a user, session after session, and writes down what it is shown."""

    def __init__(self, user: str, addresses: Sequence[str], recorder: Recorder, secret: Secret = DEVELOPMENT) -> None:
        self.user = user
        self.positions: dict[str, int] = {}
        """By channel: what it has."""
        self.sessions = 0
        self._addresses = addresses
        self._recorder = recorder
        self._secret = secret
        self._logs: dict[bytes, str] = {}
        self._session: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Follow, for ever."""
        try:
            while True:
                address = self._addresses[self.sessions % len(self._addresses)]
                self.sessions += 1
                self._session = asyncio.create_task(self._follow(address))
                await asyncio.wait([self._session])
                if not self._session.cancelled():
                    self._session.result()
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self.drop()

    def drop(self) -> None:
        """Lose the connection, and come back."""
        if self._session is not None:
            self._session.cancel()

    async def _follow(self, address: str) -> None:
        """One session, to its end."""
        since = self._recorder.now()
        names = {channel: log_id for log_id, channel in self._logs.items()}
        held = [session_pb2.Position(log_id=names[name], seq=seq) for name, seq in self.positions.items()]
        metadata = grpc.aio.Metadata(("authorization", f"Bearer {self._secret.user_token(self.user)}"))
        async with grpc.aio.insecure_channel(address, options=_OPTIONS) as connection:
            stream = session_pb2_grpc.SessionServiceStub(connection).Open(metadata=metadata)
            try:
                await stream.write(session_pb2.ClientFrame(hello=session_pb2.Hello(positions=held)))
                while isinstance(frame := await stream.read(), session_pb2.ServerFrame):
                    self._take(frame, since)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return  # the gateway is gone, or would not have it
            finally:
                stream.cancel()

    def _take(self, frame: session_pb2.ServerFrame, since: float) -> None:
        """Fragments may have been joined, so order counts within a log only."""
        parts: list[session_pb2.Slice | session_pb2.Gap] = [*frame.slices]
        for notice in frame.notices:
            match notice.WhichOneof("notice"):
                case "channel":
                    channel = notice.channel.channel
                    self._logs[channel.log_id] = channel.channel_id
                    self.positions.setdefault(channel.channel_id, notice.channel.head_seq)
                case "gap":
                    parts.append(notice.gap)
                case "read" if notice.read.log_id in self._logs:
                    read = notice.read
                    self._recorder.tell(
                        Told(
                            self.user, self._logs[read.log_id], since, self._recorder.now(), read.user_id, read.read_seq
                        )
                    )
        for part in sorted(parts, key=lambda part: part.from_seq):
            if part.log_id in self._logs:  # else the user's inbox
                self._show(self._logs[part.log_id], part, since)

    def _show(self, channel: str, part: session_pb2.Slice | session_pb2.Gap, since: float) -> None:
        is_gap = isinstance(part, session_pb2.Gap)
        self._recorder.show(
            Shown(
                self.user,
                channel,
                since,
                self._recorder.now(),
                part.from_seq,
                part.to_seq,
                [] if isinstance(part, session_pb2.Gap) else entries_of(part.events),
                gap=is_gap,
            )
        )
        self.positions[channel] = max(part.to_seq, self.positions.get(channel, 0))
