"""Sessions of the public API, as cheap as they can be: one stream each, of whose frames only the ranges are looked at."""

import asyncio
import itertools
import secrets
from collections.abc import Callable, Sequence
from time import perf_counter_ns

from tertulia.chat.v1 import event_pb2, session_pb2
from tertulia.tokens import DEVELOPMENT_SECRET, Secret
from tertulia_internal.wire.v1 import raw_pb2

from libs.http2.client import Connection, StreamEnded, connect
from tests.bench.ledger import Delivery, Ledger

TEXT_BYTES = 200
_TEXT = ("Where is my order? It was to come on Tuesday. " * 5)[:TEXT_BYTES]
_PATH = "/tertulia.chat.v1.SessionService/Open"
_OPEN_SECONDS = 30
_OPEN_AT_ONCE = 64  # streams that wait to be opened; grpcio resets a burst of thousands
_GENERATOR = secrets.token_hex(8)  # no two generators' messages are taken for repetitions
_SECRET = Secret.parse(DEVELOPMENT_SECRET)

clock = perf_counter_ns
Acked = Callable[[int], None]
"""Hears that so many sends were acknowledged together."""


class Session:
    """One user online. Made by `open_sessions`."""

    def __init__(self, connection: Connection, user_id: str, ledger: Ledger) -> None:
        self.user_id = user_id
        self.logs: dict[str, bytes] = {}
        """The log of each channel of the user's."""
        self.cursors: dict[bytes, int] = {}
        """Up to where each log has been read."""
        self.on_acked: Acked = lambda _count: None
        self._ledger = ledger
        self._connection = connection
        self._inbox = b""
        self._caught_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._replies: dict[int, asyncio.Future[bytes]] = {}
        self._closing = False
        token = _SECRET.user_token(user_id)
        self._stream = connection.call(_PATH, [("authorization", f"Bearer {token}")], self._on_frame)
        self._stream.ended.add_done_callback(self._on_end)
        self._stream.send(
            session_pb2.ClientFrame(hello=session_pb2.Hello(client_name="tertulia-bench")).SerializeToString()
        )

    async def opened(self) -> None:
        """Wait until the session has caught up.

        Raises:
            StreamEnded, TimeoutError: it did not come to that.
        """
        async with asyncio.timeout(_OPEN_SECONDS):
            await self._caught_up

    def send(self, sends: Sequence[tuple[int, str, int]]) -> None:
        """Send messages (request id, channel, intended time) in one frame."""
        frame = session_pb2.ClientFrame()
        for request_id, channel_id, intended_ns in sends:
            log = self.logs[channel_id]
            self._ledger.sent(request_id, log, intended_ns)
            frame.sends.append(
                session_pb2.Send(
                    request_id=request_id,
                    channel_id=channel_id,
                    client_message_id=f"{_GENERATOR}-{request_id}",
                    after_seq=self.cursors[log],
                    message=event_pb2.Message(text=_TEXT),
                )
            )
        self._stream.send(frame.SerializeToString())

    async def call(self, request_id: int, method: str, request: bytes) -> bytes:
        """Call a unary method on the session.

        Raises:
            StreamEnded: it was refused, or the session ended.
        """
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._replies[request_id] = reply
        call = session_pb2.Call(request_id=request_id, method=method, request=request)
        self._stream.send(session_pb2.ClientFrame(calls=[call]).SerializeToString())
        return await reply

    def close(self) -> None:
        self._closing = True
        self._stream.end()

    def _on_frame(self, data: bytes) -> None:
        frame = raw_pb2.RawServerFrame.FromString(data)
        for encoded in frame.slices:
            self._on_slice(raw_pb2.RawSlice.FromString(encoded))
        if frame.acks:
            self._on_acks(frame.acks)
        for encoded in frame.notices:
            self._on_notice(session_pb2.Notice.FromString(encoded))
        for encoded in frame.replies:
            reply = session_pb2.Reply.FromString(encoded)
            self._replies.pop(reply.request_id).set_result(reply.response)
        for encoded in frame.failures:
            self._on_failure(session_pb2.Failure.FromString(encoded))

    def _on_slice(self, piece: raw_pb2.RawSlice) -> None:
        log = piece.log_id
        cursor = self.cursors.get(log)
        if cursor is None:
            if log != self._inbox:
                self._ledger.fault(f"{self.user_id} got a slice of a stranger's log")
            return
        delivery = Delivery(log, piece.from_seq, piece.to_seq, int(self._connection.received_at))
        self.cursors[log] = self._ledger.delivered(cursor, delivery, len(piece.events))

    def _on_acks(self, acks: Sequence[bytes]) -> None:
        now_ns = int(self._connection.received_at)
        for encoded in acks:
            ack = session_pb2.Ack.FromString(encoded)
            self._ledger.acked(ack.request_id, ack.seq, now_ns)
        self.on_acked(len(acks))

    def _on_notice(self, notice: session_pb2.Notice) -> None:
        kind = notice.WhichOneof("notice")
        if kind == "welcome":
            self._inbox = notice.welcome.inbox_log_id
        elif kind == "channel":
            log = notice.channel.channel.log_id
            self.logs[notice.channel.channel.channel_id] = log
            self.cursors.setdefault(log, notice.channel.head_seq)
        elif kind == "caught_up":
            self._caught_up.set_result(None)
        elif kind in {"gap", "goodbye"}:
            self._ledger.fault(f"{self.user_id} got a notice: {notice}")

    def _on_failure(self, failure: session_pb2.Failure) -> None:
        self._ledger.fault(f"{self.user_id} was refused: {failure}")
        if failure.request_id in self._replies:
            self._replies.pop(failure.request_id).set_exception(StreamEnded(failure.message))

    def _on_end(self, status: asyncio.Future[str]) -> None:
        if self._closing:
            return
        why = StreamEnded(f"the session of {self.user_id} ended: {status.result()}")
        self._ledger.fault(str(why))
        if not self._caught_up.done():
            self._caught_up.set_exception(why)
        for reply in self._replies.values():
            reply.set_exception(why)


async def open_sessions(address: str, user_ids: Sequence[str], ledger: Ledger, per_connection: int) -> list[Session]:
    """Open a session for each user, so many of them on a connection, at each of the addresses in turn.

    Raises:
        OSError, StreamEnded, TimeoutError: the server does not let them in.
    """
    turn = asyncio.Semaphore(_OPEN_AT_ONCE)

    async def open_one(connection: Connection, user_id: str) -> Session:
        async with turn:
            session = Session(connection, user_id, ledger)
            await session.opened()
            return session

    gateways = itertools.cycle(address.split(","))
    connections = [await connect(next(gateways), clock) for _ in range(0, len(user_ids), per_connection)]
    async with asyncio.TaskGroup() as tasks:
        opening = [
            tasks.create_task(open_one(connections[index // per_connection], user_id))
            for index, user_id in enumerate(user_ids)
        ]
    return [task.result() for task in opening]
