"""The gateway, as the door calls it: bytes in, bytes out, the client's own credentials passed on once they are checked."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import cycle
from typing import Self

import grpc
from connectrpc.errors import ConnectError
from tertulia.chat.v1 import error_pb2

from libs.rpc.caller import CORRELATION_KEY
from libs.rpc.client import open_channel
from libs.rpc.errors import (
    DeadlineExceeded,
    FieldsInvalid,
    FieldViolation,
    ResourceExhausted,
    TertuliaError,
    Unauthenticated,
)
from libs.rpc.status import from_rpc_error
from libs.runtime.logs import correlation_id
from services.web.streams import Stream

_STREAMS_PER_CONNECTION = 500
"""A gateway takes 1,000 streams on a connection; grpcio lets those beyond wait in silence, so connections are half full."""

_CALLS = 1_000
"""Unary calls at a time, those of clients that have gone included: as many as a gateway takes on a connection."""

_CALLS_PER_CLIENT = _CALLS // 2
"""Of these, those under one token: who aborts their calls, or has too many, is refused, and nobody else."""

_RETRY_MS = 1_000
_MAX_AUTHORIZATION_BYTES = 8 * 1024  # tokens are below 1 KiB, and a gateway takes 12 KiB of headers
_MAX_USER_ID_BYTES = 128  # as the gateway has it

_OPTIONS: Sequence[tuple[str, int]] = (
    # a stalled stream holds 64 KiB here, not the 4 MiB that a window grows to which follows the bandwidth
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 64 * 1024),
)

Metadata = tuple[tuple[str, str], ...]
StreamCall = grpc.aio.UnaryStreamCall[bytes, bytes] | grpc.aio.StreamStreamCall[bytes, bytes]


def credentials(headers: Mapping[str, str]) -> Metadata:
    """What of a request's headers the gateway is told.

    Other users' calls share the connection, so nothing goes there that a server of HTTP/2 may end a connection for.

    Raises:
        Unauthenticated: TOKEN_INVALID: the authorization is too long or not printable ASCII, so it is no token.
        FieldsInvalid: the acting user likewise.
    """
    metadata = [(CORRELATION_KEY, correlation_id.get())]
    if (authorization := headers.get("authorization")) is not None:
        authorization = authorization.strip()
        if not _can_be_sent(authorization, _MAX_AUTHORIZATION_BYTES):
            raise Unauthenticated(
                f"the header authorization must be at most {_MAX_AUTHORIZATION_BYTES} bytes of printable ASCII",
                error_pb2.ERROR_REASON_TOKEN_INVALID,
            )
        metadata.append(("authorization", authorization))
    if (user_id := headers.get("tertulia-user")) is not None:
        user_id = user_id.strip()
        if not _can_be_sent(user_id, _MAX_USER_ID_BYTES):
            what = f"must be at most {_MAX_USER_ID_BYTES} bytes of printable ASCII"
            raise FieldsInvalid([FieldViolation("tertulia-user", what)])
        metadata.append(("tertulia-user", user_id))
    return tuple(metadata)


def _can_be_sent(value: str, max_bytes: int) -> bool:
    return len(value) <= max_bytes and value.isascii() and value.isprintable()


class Gateway:
    """Connections to the gateway: one for unary calls, one for the carrier, and as many as `streams` need of those that
    pass through. Use it with `async with`.

    A client that goes away does not end its unary call: a reset costs a gateway more than an answer, and one that resets
    too often would lose the connection for all (CVE-2023-44487). `seconds` is how long a call may take at most.
    """

    def __init__(self, address: str, streams: int, seconds: float, root_certificates: bytes = b"") -> None:
        connections = 2 + -(-streams // _STREAMS_PER_CONNECTION)
        self._unary, *rest = (open_channel(address, _OPTIONS, root_certificates) for _ in range(connections - 1))
        self.carrier = open_channel(address, (), root_certificates)
        self._all = [self._unary, self.carrier, *rest]
        self._next = cycle(rest)
        self._seconds = seconds
        self._calls: dict[asyncio.Task[bytes], str] = {}
        """Those under way, and under which authorization."""
        self._calls_of: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        for channel in self._all:
            self._stack.push_async_callback(channel.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        for call in self._calls:
            call.cancel()
        await self._stack.aclose()

    @property
    def channel(self) -> grpc.aio.Channel:
        """The connection of unary calls, for asking after the gateway's health."""
        return self._unary

    async def call(self, path: str, request: bytes, metadata: Metadata, timeout: float | None) -> bytes:
        """A unary call, within `timeout` seconds if the client set any.

        Raises:
            TertuliaError: what the gateway answered, or that it did not.
        """
        client = dict(metadata).get("authorization", "")
        if len(self._calls) >= _CALLS:
            raise _overloaded("this server has all the calls that it can hold; try again")
        if self._calls_of[client] >= _CALLS_PER_CLIENT:
            raise _overloaded("too many calls are under way with this token, aborted ones included; wait for answers")
        call = asyncio.get_running_loop().create_task(self._call(path, request, metadata))
        self._calls[call] = client
        self._calls_of[client] += 1
        call.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(call)
        except TimeoutError:
            raise DeadlineExceeded(
                "the call took longer than its deadline; whether it was done is unknown",
                error_pb2.ERROR_REASON_DEADLINE_EXCEEDED,
            ) from None

    async def _call(self, path: str, request: bytes, metadata: Metadata) -> bytes:
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._unary.unary_unary(path)
        try:
            return await method(request, metadata=metadata, timeout=self._seconds)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    def _ended(self, call: "asyncio.Task[bytes]") -> None:
        client = self._calls.pop(call)
        self._calls_of[client] -= 1
        if not self._calls_of[client]:
            del self._calls_of[client]
        if not call.cancelled():
            call.exception()  # retrieved: its client may have gone

    def listen(self, path: str, request: bytes, metadata: Metadata) -> "PassedOn":
        """A call that is answered by a stream."""
        method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = next(self._next).unary_stream(path)
        return PassedOn(method(request, metadata=metadata))

    def open(self, path: str, requests: AsyncIterator[bytes], metadata: Metadata) -> "PassedOn":
        """A stream answered by a stream."""
        method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = next(self._next).stream_stream(path)
        readable = _Readable(requests)
        return PassedOn(method(aiter(readable), metadata=metadata), readable)


class _Readable:
    """What a client sends, up to where it cannot be read. grpc.aio would cancel the call for it, and tell nobody why."""

    def __init__(self, requests: AsyncIterator[bytes]) -> None:
        self._requests = requests
        self.error: ConnectError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for request in self._requests:
                yield request
        except ConnectError as error:
            self.error = error
            raise


class PassedOn:
    """A stream of the gateway's own for one client (a `streams.Source`): it is read no further than there is room."""

    def __init__(self, call: StreamCall, requests: _Readable | None = None) -> None:
        self._call = call
        self._requests = requests
        self._filling: asyncio.Task[None] | None = None

    def begin(self, stream: Stream) -> None:
        self._filling = asyncio.get_running_loop().create_task(self._fill(stream))

    def taken(self) -> None:
        """HTTP/2 says it to the gateway."""

    def close(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
        self._call.cancel()

    async def _fill(self, stream: Stream) -> None:
        error: Exception | None = None
        try:
            async for frame in parts(self._call):
                if stream.push(frame):
                    await stream.room()
        except TertuliaError as refusal:
            error = refusal
        finally:  # whatever it was: nobody waits for what never comes
            unreadable = self._requests.error if self._requests is not None else None
            stream.end(error=unreadable or error)


def _overloaded(why: str) -> ResourceExhausted:
    return ResourceExhausted(why, error_pb2.ERROR_REASON_OVERLOADED, retry_after_ms=_RETRY_MS)


async def parts(call: StreamCall) -> AsyncIterator[bytes]:
    """What a stream brings.

    Raises:
        TertuliaError: it ended otherwise than well.
    """
    try:
        while isinstance(data := await call.read(), bytes):  # else it is grpc.aio.EOF
            yield data
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error
