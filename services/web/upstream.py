"""The gateway, as the door calls it: bytes in, bytes out, the client's own credentials passed on once they are checked."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import cycle
from typing import Self

import grpc
from tertulia.chat.v1 import error_pb2

from libs.rpc.caller import CORRELATION_KEY
from libs.rpc.client import open_channel
from libs.rpc.errors import FieldsInvalid, FieldViolation, Unauthenticated
from libs.rpc.status import from_rpc_error
from libs.runtime.logs import correlation_id

_STREAMS_PER_CONNECTION = 500
"""A gateway takes 1,000 streams on a connection; grpcio lets those beyond wait in silence, so connections are half full."""

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
    """Connections to the gateway: one for unary calls, and as many as `streams` need. Use it with `async with`."""

    def __init__(self, address: str, streams: int, root_certificates: bytes = b"") -> None:
        connections = 1 + -(-streams // _STREAMS_PER_CONNECTION)
        self._unary, *rest = (open_channel(address, _OPTIONS, root_certificates) for _ in range(connections))
        self._all = [self._unary, *rest]
        self._next = cycle(rest)

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        for channel in self._all:
            self._stack.push_async_callback(channel.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def channel(self) -> grpc.aio.Channel:
        """The connection of unary calls, for asking after the gateway's health."""
        return self._unary

    async def call(self, path: str, request: bytes, metadata: Metadata, timeout: float) -> bytes:
        """A unary call.

        Raises:
            TertuliaError: what the gateway answered, or that it did not.
        """
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._unary.unary_unary(path)
        try:
            return await method(request, metadata=metadata, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    def listen(self, path: str, request: bytes, metadata: Metadata) -> StreamCall:
        """A call that is answered by a stream."""
        method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = next(self._next).unary_stream(path)
        return method(request, metadata=metadata)

    def open(self, path: str, requests: AsyncIterator[bytes], metadata: Metadata) -> StreamCall:
        """A stream answered by a stream."""
        method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = next(self._next).stream_stream(path)
        return method(requests, metadata=metadata)


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
