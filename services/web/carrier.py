"""The one stream to the gateway that carries everybody who listens: each slice comes once, and is fanned out here."""

import asyncio
from collections.abc import AsyncIterator

import grpc
from tertulia.chat.v1 import error_pb2
from tertulia_internal.gateway.v1 import carrier_pb2

from libs.rpc.caller import CORRELATION_KEY
from libs.rpc.errors import Internal, ResourceExhausted, TertuliaError
from libs.rpc.status import from_failure, unavailable
from services.web.streams import TOO_SLOW, Stream
from services.web.upstream import Metadata, StreamCall, parts

_PATH = f"/{carrier_pb2.DESCRIPTOR.services_by_name['CarrierService'].full_name}/Carry"
_JOINED_BYTES = 64 * 1024  # of requests that go in one message
_OTHER_BYTES = 1_024  # what a message may hold beside a client's request and its token
JOIN_SECONDS = 300.0
"""Half of the time for which a gateway lets a connection take new calls."""

_BEHIND_BYTES = 4 * 1024 * 1024
"""A stream for which so much waits is ended: the gateway was told long ago that it is slow. Frames are the same bytes for all
who wait for them."""


class Carried:
    """What fills the stream of one user (a `streams.Source`)."""

    __slots__ = ("_carrier", "_handle", "_own_bytes", "_slow", "_stream")

    def __init__(self, carrier: "Carrier", handle: int) -> None:
        self._carrier = carrier
        self._handle = handle
        self._stream: Stream | None = None
        self._own_bytes = 0
        """Of user frames that wait in the stream."""
        self._slow = False

    def begin(self, stream: Stream) -> None:
        self._stream = stream

    def taken(self) -> None:
        if self._own_bytes:
            self._carrier.say(taken=[carrier_pb2.Taken(handle=self._handle, bytes=self._own_bytes)])
            self._own_bytes = 0
        self._slow = False

    def close(self) -> None:
        self._stream = None
        self._carrier.detach(self._handle)

    def own(self, frame: bytes) -> None:
        """A user frame, of which the gateway sends no more than may wait."""
        self._own_bytes += len(frame)
        if self._stream is not None:
            self._stream.push(frame)

    def shared(self, frame: bytes) -> None:
        """An audience frame. The gateway does not wait for the slowest of an audience, but takes it out when it is told."""
        stream = self._stream
        if stream is None or not stream.push(frame):
            return
        if stream.waiting_bytes > _BEHIND_BYTES:
            stream.end(TOO_SLOW)
        elif not self._slow:
            self._slow = True
            self._carrier.say(slow_handles=[self._handle])

    def end(self, error: TertuliaError | None) -> None:
        if self._stream is not None:
            self._stream.end(error=error)


class Carrier:
    """One stream. `run` is its whole life; whoever is attached when it ends is ended with it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._users: dict[int, Carried] = {}
        self._audiences: dict[int, dict[int, Carried]] = {}
        self._handles = 0
        self._requests: list[bytes] = []
        self._wake = asyncio.Event()
        self._leaving = False
        self.over = False
        self.begun_at = asyncio.get_running_loop().time()

    def attach(self, request: bytes, authorization: str, correlation_id: str) -> Carried:
        """A user who begins to listen."""
        self._handles += 1
        carried = self._users[self._handles] = Carried(self, self._handles)
        attach = carrier_pb2.Attach(
            handle=self._handles, authorization=authorization, request=request, correlation_id=correlation_id
        )
        self.say(attaches=[attach])
        return carried

    def detach(self, handle: int) -> None:
        if self._users.pop(handle, None) is not None:
            self.say(detached_handles=[handle])
        self._leave_if_empty()

    def retire(self) -> None:
        """Nobody else will come: end with the last user."""
        self._leaving = True
        self._leave_if_empty()

    def say(
        self,
        attaches: "list[carrier_pb2.Attach] | None" = None,
        taken: "list[carrier_pb2.Taken] | None" = None,
        slow_handles: list[int] | None = None,
        detached_handles: list[int] | None = None,
    ) -> None:
        """Tell the gateway, soon."""
        request = carrier_pb2.CarryRequest(
            attaches=attaches, taken=taken, slow_handles=slow_handles, detached_handles=detached_handles
        )
        self._requests.append(request.SerializeToString())
        self._wake.set()

    async def run(self) -> None:
        """Pass on what the gateway sends, until it ends."""
        stream: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(_PATH)
        call: StreamCall = stream(self._joined())
        error: TertuliaError = unavailable("the gateway")
        try:
            async for data in parts(call):
                for part in carrier_pb2.CarryResponse.FromString(data).parts:
                    self._pass_on(part)
        except Internal:
            pass  # grpc.aio says it of a write that races with the end, too, whatever that was: who comes back will see
        except TertuliaError as refusal:
            error = refusal
        finally:
            self.over = True
            call.cancel()
            for carried in self._users.values():
                carried.end(error)

    def _leave_if_empty(self) -> None:
        if self._leaving and not self._users:
            self._wake.set()

    async def _joined(self) -> AsyncIterator[bytes]:
        while not self._leaving or self._users or self._requests:
            await self._wake.wait()
            self._wake.clear()
            while self._requests:
                size = count = 0
                while count < len(self._requests) and (not count or size + len(self._requests[count]) <= _JOINED_BYTES):
                    size += len(self._requests[count])
                    count += 1
                joined, self._requests = self._requests[:count], self._requests[count:]
                yield b"".join(joined)

    def _pass_on(self, part: carrier_pb2.Part) -> None:
        match part.WhichOneof("part"):
            case "audience_frame":
                self._fan_out(part.audience_frame)
            case "user_frame":
                if user := self._users.get(part.user_frame.handle):
                    user.own(part.user_frame.frame)
            case "audience_change":
                self._change(part.audience_change)
            case "ended":
                if user := self._users.pop(part.ended.handle, None):
                    user.end(from_failure(part.ended.failure) if part.ended.HasField("failure") else None)

    def _fan_out(self, part: carrier_pb2.AudienceFrame) -> None:
        frame, excepted = part.frame, part.except_handles
        for handle, carried in self._audiences.get(part.audience, {}).items():
            if handle not in excepted:
                carried.shared(frame)

    def _change(self, change: carrier_pb2.AudienceChange) -> None:
        audience = self._audiences.setdefault(change.audience, {})
        for handle in change.joined_handles:
            if user := self._users.get(handle):
                audience[handle] = user
        for handle in change.left_handles:
            audience.pop(handle, None)
        if not audience:
            del self._audiences[change.audience]


class Carriers:
    """Who comes joins the newest carrier. It takes people for `join_seconds`, so that they spread over all gateways there are."""

    def __init__(self, channel: grpc.aio.Channel, max_request_bytes: int, join_seconds: float = JOIN_SECONDS) -> None:
        self._channel = channel
        self._max_request_bytes = max_request_bytes
        self._join_seconds = join_seconds
        self._newest: Carrier | None = None
        self._new: asyncio.Queue[Carrier] = asyncio.Queue()

    def listen(self, request: bytes, metadata: Metadata) -> Carried:
        """What `SessionService.Listen` answers to a user; failures are those of its stream.

        Raises:
            ResourceExhausted: LIMIT_REACHED: the request is larger than the gateway takes.
        """
        headers = dict(metadata)
        authorization = headers.get("authorization", "")
        if len(request) + len(authorization) + _OTHER_BYTES > self._max_request_bytes:
            raise ResourceExhausted(
                "the request is larger than this server takes; name fewer positions",
                error_pb2.ERROR_REASON_LIMIT_REACHED,
            )
        return self._open_carrier().attach(request, authorization, headers.get(CORRELATION_KEY, ""))

    async def run(self) -> None:
        """Carry, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                carrier = await self._new.get()
                tasks.create_task(carrier.run())

    def _open_carrier(self) -> Carrier:
        newest = self._newest
        if newest is not None and not newest.over:
            if asyncio.get_running_loop().time() < newest.begun_at + self._join_seconds:
                return newest
            newest.retire()
        newest = self._newest = Carrier(self._channel)
        self._new.put_nowait(newest)
        return newest
