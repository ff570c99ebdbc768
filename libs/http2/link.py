"""Unary calls to another service over one stream: what a gRPC stub needs of a channel."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar, cast

import grpc
import structlog
from google.rpc import status_pb2
from tertulia.chat.v1 import error_pb2
from tertulia_internal.link.v1 import link_pb2

from libs.http2.client import Connection, StreamEnded, connect
from libs.rpc.callers import MESSAGE_STORE
from libs.rpc.certificates import Certificates
from libs.rpc.client import MAX_MESSAGE_BYTES, Metadata, UnaryMethod
from libs.rpc.errors import DeadlineExceeded, ResourceExhausted, Unavailable
from libs.rpc.status import from_status

log = structlog.get_logger()

LINK_PATH = f"/{link_pb2.DESCRIPTOR.services_by_name['LinkService'].full_name}/Open"

MAX_BODY_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""Of a request or a response; beside it a message has a name and metadata. A larger message would end the link, and with it the
calls of others."""

_MAX_UNSENT_BYTES = 64 * 1024 * 1024  # of requests that the server does not read; beyond it calls are refused
_FRAME_BYTES = 1024 * 1024  # a page of history is one frame and not three
_LOOK_SECONDS = 2.5  # how late silence may be noticed
_SILENCE_SECONDS = 10.0  # of a link, before we ask whether the server is still there
_PONG_SECONDS = 5.0  # after we have asked, before we believe that it is not

Request = TypeVar("Request")
Response = TypeVar("Response")


class Link:
    """Calls one process, which serves `libs.http2.services`. Made by `open_link`.

    It connects when it is first called, and again whenever it is called after the connection broke.
    """

    def __init__(self, address: str, certificates: Certificates | None = None) -> None:
        """With `certificates` over TLS: the process must be one of message_store, for no other service is called by links."""
        self._address = address
        self._certificates = certificates
        self._connecting = asyncio.Lock()
        self._wires: set[_Wire] = set()
        self._newest: _Wire | None = None
        self._failure = ""
        """Why it could not be connected last; empty: it could."""
        self._ids = itertools.count(1)

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Request], bytes],
        response_deserializer: Callable[[bytes], Response],
        _registered_method: bool = False,
    ) -> UnaryMethod[Request, Response]:
        """As `grpc.aio.Channel.unary_unary`; what it makes raises as `libs.rpc.client.call` does."""

        async def call(request: Request, /, *, timeout: float, metadata: Metadata = ()) -> Response:
            return response_deserializer(await self._call(method, request_serializer(request), timeout, metadata))

        return call

    def close(self) -> None:
        """Hang up; open calls fail."""
        for wire in list(self._wires):
            wire.hang_up()

    async def _call(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> bytes:
        if len(request) > MAX_BODY_BYTES:
            raise too_large("a request", len(request))
        call = link_pb2.OpenRequest(
            call_id=next(self._ids), method=method, request=request, timeout_ms=max(1, int(timeout * 1_000))
        )
        for key, value in metadata:
            call.metadata.add(key=key, value=value.encode() if isinstance(value, str) else value)
        try:
            async with asyncio.timeout(timeout):
                wire = self._newest
                if wire is None or not wire.usable:
                    wire = await self._connected()
                return await wire.call(call)
        except TimeoutError:
            raise DeadlineExceeded(
                "the service that does this took too long; try again", error_pb2.ERROR_REASON_DEADLINE_EXCEEDED
            ) from None

    async def _connected(self) -> "_Wire":
        async with self._connecting:  # whoever waited for another's connection takes it
            if self._newest is not None and self._newest.usable:
                return self._newest
            try:
                connection = await self._connect()
                wire = self._newest = _Wire(connection, self._wires)
            except (OSError, StreamEnded) as error:
                self._log(str(error) or type(error).__name__)
                raise _broken() from error
            self._failure = ""
            return wire

    def _log(self, failure: str) -> None:
        """Once: it is tried again with every call. Whoever called learns nothing of it, and a server tells nobody whom it does not
        believe."""
        if failure != self._failure:
            self._failure = failure
            log.warning("link_not_connected", address=self._address, error=failure)

    async def _connect(self) -> Connection:
        tls = self._certificates.current().client if self._certificates is not None else None
        return await connect(self._address, asyncio.get_running_loop().time, _FRAME_BYTES, tls, MESSAGE_STORE)


@asynccontextmanager
async def open_link(address: str, certificates: Certificates | None = None) -> AsyncIterator[grpc.aio.Channel]:
    """A link to the service at `host:port`, `dns:///name:port` or `unix:/path` while the body runs; see `Link` and `as_channel`."""
    link = Link(address, certificates)
    try:
        yield as_channel(link)
    finally:
        link.close()


def as_channel(link: Link) -> grpc.aio.Channel:
    """A link as stubs ask for it. It has `unary_unary` only."""
    return cast("grpc.aio.Channel", link)


class _Wire:
    """One connection with its stream, and the calls that are open on it. It takes itself off `among` when it is gone."""

    def __init__(self, connection: Connection, among: set["_Wire"]) -> None:
        """Raises StreamEnded: the connection is gone already."""
        self.usable = True
        """It takes new calls."""
        self._connection = connection
        self._among = among
        self._open: dict[int, asyncio.Future[bytes]] = {}
        self._pinged_at = 0.0
        """When the server was asked whether it is there; 0: not since it was heard."""
        self._loop = asyncio.get_running_loop()
        self._stream = connection.call(LINK_PATH, [], self._on_response)
        self._stream.ended.add_done_callback(lambda _: self._gone())
        self._looking = self._loop.call_later(_LOOK_SECONDS, self._look_after)
        among.add(self)
        connection.on_drain = self._drain

    async def call(self, call: link_pb2.OpenRequest) -> bytes:
        if self._stream.unsent_bytes > _MAX_UNSENT_BYTES:
            raise ResourceExhausted(
                "the service that does this takes no more; try again later", error_pb2.ERROR_REASON_OVERLOADED
            )
        response: asyncio.Future[bytes] = self._loop.create_future()
        self._open[call.call_id] = response
        try:
            self._stream.send(call.SerializeToString())
            return await response
        except StreamEnded:
            raise _broken() from None
        finally:
            self._open.pop(call.call_id, None)
            if not self.usable:
                self._drain()

    def hang_up(self) -> None:
        self._connection.close()
        self._gone()

    def _look_after(self) -> None:
        now = self._loop.time()
        if now - self._connection.received_at <= _SILENCE_SECONDS:
            self._pinged_at = 0.0
        elif not self._pinged_at:  # however long it was: perhaps it was we who stood still
            self._pinged_at = now
            self._connection.ping()
        elif now - self._pinged_at > _PONG_SECONDS:
            self._connection.abort()
            return
        self._looking = self._loop.call_later(_LOOK_SECONDS, self._look_after)

    def _on_response(self, data: bytes) -> None:
        answer = link_pb2.OpenResponse.FromString(data)
        response = self._open.get(answer.call_id)
        if response is None or response.done():
            return  # its caller has gone
        if answer.status:
            response.set_exception(from_status(status_pb2.Status.FromString(answer.status)))
        else:
            response.set_result(answer.response)

    def _drain(self) -> None:
        """The server stops: call it no more, and let go when it has answered."""
        self.usable = False
        if not self._open and self in self._among:
            self.hang_up()

    def _gone(self) -> None:
        self.usable = False
        self._looking.cancel()
        self._among.discard(self)
        self._connection.close()
        for response in self._open.values():
            if not response.done():
                response.set_exception(_broken())


def too_large(what: str, size: int) -> ResourceExhausted:
    return ResourceExhausted(
        f"{what} of {size} bytes; the largest between services may have {MAX_BODY_BYTES}",
        error_pb2.ERROR_REASON_LIMIT_REACHED,
    )


def _broken() -> Unavailable:
    """As `libs.rpc.status.from_rpc_error` makes it of gRPC's UNAVAILABLE: what else the caller did may have been done."""
    return Unavailable("the service that does this gave no answer; try again", error_pb2.ERROR_REASON_OUTCOME_UNKNOWN)
