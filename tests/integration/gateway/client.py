"""A client with nothing between a test and the public API."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

import grpc
from google.protobuf.message import Message
from tertulia.chat.v1 import channel_pb2, event_pb2, session_pb2, session_pb2_grpc

from libs.rpc.errors import TertuliaError
from libs.rpc.status import from_rpc_error

SECONDS = 15.0


class Session:
    """An open session. What came is kept in the order of its coming."""

    def __init__(self, call: "grpc.aio.StreamStreamCall[session_pb2.ClientFrame, session_pb2.ServerFrame]") -> None:
        self._call = call
        self._reader = asyncio.create_task(self._read())
        self._came = asyncio.Event()
        self._last_request = 0
        self.slices: dict[bytes, list[session_pb2.Slice]] = {}
        self.acks: dict[int, session_pb2.Ack] = {}
        self.failures: dict[int, session_pb2.Failure] = {}
        self.replies: dict[int, bytes] = {}
        self.notices: list[session_pb2.Notice] = []
        self.error: TertuliaError | None = None
        self.ended = False
        self._reading = asyncio.Event()
        self._reading.set()

    async def write(self, frame: session_pb2.ClientFrame) -> None:
        """Send a frame. To a session that has ended nothing is sent: why it ended, `error` says."""
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self._call.write(frame)

    async def hello(self, positions: Mapping[bytes, int] | None = None) -> None:
        """Say hello and wait until caught up."""
        held = [session_pb2.Position(log_id=log_id, seq=seq) for log_id, seq in (positions or {}).items()]
        await self.write(session_pb2.ClientFrame(hello=session_pb2.Hello(positions=held)))
        await self.until(lambda: bool(self.of_kind("caught_up")), "caught up")

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        """Wait for frames until `condition` holds."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    assert not self.ended, f"the session ended before: {what}; {self.error!r}, {self.notices[-1:]}"
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s: {what}") from None

    async def until_ended(self, seconds: float = SECONDS) -> TertuliaError | None:
        """Wait for the end of the stream; the error that it ended with."""
        async with asyncio.timeout(seconds):
            await asyncio.wait([self._reader])
        return self.error

    async def send(self, channel_id: str, text: str, client_id: str = "", **more: object) -> int:
        """Send a message, without waiting for its outcome; returns the request id."""
        [request_id] = await self.send_all(channel_id, [text], client_id=client_id, **more)
        return request_id

    async def send_all(self, channel_id: str, texts: Iterable[str], client_id: str = "", **more: object) -> list[int]:
        """Send messages in one frame."""
        sends = []
        for text in texts:
            self._last_request += 1
            send = session_pb2.Send(
                request_id=self._last_request,
                channel_id=channel_id,
                client_message_id=client_id or f"{id(self)}-{self._last_request}",
                message=event_pb2.Message(text=text),
                **more,  # type: ignore[arg-type]
            )
            sends.append(send)
        await self.write(session_pb2.ClientFrame(sends=sends))
        return [send.request_id for send in sends]

    async def acked(self, request_id: int) -> int:
        """Wait for an acknowledgement; the seq."""
        await self.until(lambda: request_id in self.acks or request_id in self.failures, f"answer to {request_id}")
        assert request_id in self.acks, f"refused: {self.failures[request_id]}"
        return self.acks[request_id].seq

    async def failure(self, request_id: int) -> session_pb2.Failure:
        """Wait for a refusal."""
        await self.until(lambda: request_id in self.acks or request_id in self.failures, f"answer to {request_id}")
        assert request_id in self.failures, "it was not refused"
        return self.failures[request_id]

    async def call(
        self, method: str, request: Message, response: Message, as_user_id: str = ""
    ) -> session_pb2.Failure | None:
        """Call a unary method on the session; merges the reply into `response`, or returns the failure."""
        self._last_request += 1
        request_id = self._last_request
        call = session_pb2.Call(
            request_id=request_id, method=method, request=request.SerializeToString(), as_user_id=as_user_id
        )
        await self.write(session_pb2.ClientFrame(calls=[call]))
        await self.until(lambda: request_id in self.replies or request_id in self.failures, f"answer to {method}")
        if request_id in self.failures:
            return self.failures[request_id]
        response.ParseFromString(self.replies[request_id])
        return None

    def of_kind(self, kind: str) -> list[session_pb2.Notice]:
        return [notice for notice in self.notices if notice.WhichOneof("notice") == kind]

    def events(self, log_id: bytes) -> list[event_pb2.Event]:
        return [event for piece in self.slices.get(log_id, []) for event in piece.events]

    def texts(self, log_id: bytes) -> list[str]:
        return [event.message.text for event in self.events(log_id) if event.HasField("message")]

    def position(self, log_id: bytes) -> int:
        """The last seq of what came of a log; fails if there is a hole before it."""
        last = None
        for piece in self.slices.get(log_id, []):
            gaps = [n.gap for n in self.of_kind("gap") if n.gap.log_id == log_id and n.gap.to_seq == piece.from_seq - 1]
            assert last is None or piece.from_seq <= last + 1 or gaps, f"{last} is followed by {piece.from_seq}"
            last = max(last or 0, piece.to_seq)
        return last or 0

    def channels(self) -> dict[str, channel_pb2.MyChannel]:
        return {notice.channel.channel.channel_id: notice.channel for notice in self.of_kind("channel")}

    @property
    def goodbye(self) -> session_pb2.Goodbye | None:
        return self.notices[-1].goodbye if self.notices and self.notices[-1].HasField("goodbye") else None

    def stop_reading(self) -> None:
        """Leave what comes in the stream."""
        self._reading.clear()

    def read_on(self) -> None:
        self._reading.set()

    async def finish(self) -> None:
        """Send no more, and wait for the end."""
        await self._call.done_writing()
        await self.until_ended()

    async def close(self) -> None:
        self._reader.cancel()
        self._call.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while True:
                await self._reading.wait()
                frame = await self._call.read()
                if not isinstance(frame, session_pb2.ServerFrame):
                    break
                self._take(frame)
                self._came.set()
            status = await self._call.code()
            if status is not grpc.StatusCode.OK:
                self.error = from_rpc_error(
                    grpc.aio.AioRpcError(
                        status,
                        await self._call.initial_metadata(),
                        await self._call.trailing_metadata(),
                        details=await self._call.details(),
                    )
                )
        except grpc.aio.AioRpcError as error:
            self.error = from_rpc_error(error)
        finally:
            self.ended = True
            self._came.set()

    def _take(self, frame: session_pb2.ServerFrame) -> None:
        for piece in frame.slices:
            self.slices.setdefault(piece.log_id, []).append(piece)
        self.acks |= {ack.request_id: ack for ack in frame.acks}
        self.failures |= {failure.request_id: failure for failure in frame.failures}
        self.replies |= {reply.request_id: reply.response for reply in frame.replies}
        self.notices += frame.notices


@asynccontextmanager
async def connection(address: str) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 4 * 1024 * 1024)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield channel


@asynccontextmanager
async def session(channel: grpc.aio.Channel, token: str) -> AsyncIterator[Session]:
    """A stream on which nothing was said yet."""
    stub = session_pb2_grpc.SessionServiceStub(channel)
    opened = Session(stub.Open(metadata=[("authorization", f"Bearer {token}")]))
    try:
        yield opened
    finally:
        await opened.close()
