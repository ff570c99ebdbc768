"""The connection: one session after the other, for as long as the client is open."""

import asyncio
import itertools
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import grpc

from tertulia.backoff import Backoff
from tertulia.chat.v1 import session_pb2, session_pb2_grpc
from tertulia.errors import (
    InvalidArgument,
    PermissionDenied,
    Refused,
    SessionEnded,
    Unauthenticated,
    Unimplemented,
    from_stream,
)
from tertulia.events import ConnectionState
from tertulia.inbound import Inbound
from tertulia.outbox import Outbox

logger = logging.getLogger("tertulia")

TokenProvider = Callable[[], Awaitable[str]]
Stream = grpc.aio.StreamStreamCall[session_pb2.ClientFrame, session_pb2.ServerFrame]

CLIENT_NAME = "tertulia-python/0.1"
WELCOME_SECONDS = 10.0
"""From the connection attempt to the server's welcome."""

TOKEN_SECONDS = 10.0
"""How long a token provider may take."""

WRITE_SECONDS = 20.0
"""A write that takes longer means that the server no longer reads."""

FLUSH_SECONDS = 2.0
"""On closing: how long what was noted last (a read position, say) may take to go out."""

RECONNECT_BASE_SECONDS = 0.1
RECONNECT_CAP_SECONDS = 10.0
STABLE_SECONDS = 5.0
"""A session that lasted so long was a good one: the next attempt after it comes soon."""

_MAX_FRAME_BYTES = (
    64 * 1024 * 1024
)  # a page of 200 of the largest messages has 11 MiB, joined with what else is pending
_OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", _MAX_FRAME_BYTES),
    # a server that vanished without a FIN is noticed within 20 s
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # each attempt is an attempt: the waiting between them is ours
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)
_FOR_GOOD = (InvalidArgument, PermissionDenied, Unimplemented)


class _End(NamedTuple):
    """Why there is no session, and how long the server asks to stay away, in seconds."""

    why: str
    away: float = 0.0


class Tokens:
    """The token in use; a new one when a server would not have the last, where there is a provider to ask."""

    def __init__(self, token: str | None, provider: TokenProvider | None) -> None:
        self._token = token
        self._provider = provider
        self._fresh = False  # not accepted by any server so far

    async def get(self) -> str:
        if self._token is None:
            assert self._provider is not None  # noqa: S101 - connect sees to it that there is one or the other
            async with asyncio.timeout(TOKEN_SECONDS):
                self._token = await self._provider()
            self._fresh = True
        return self._token

    def accepted(self) -> None:
        self._fresh = False

    def refused(self) -> bool:
        """Whether another token can be asked for. One that was refused when it was new would only be refused again."""
        if self._provider is None or self._fresh:
            return False
        self._token = None
        return True


class Session:
    """Keeps a session open at one of the addresses. Reads into `inbound`, writes what `outbox` has."""

    def __init__(
        self,
        addresses: Sequence[str],
        tokens: Tokens,
        credentials: grpc.ChannelCredentials | None,
        inbound: Inbound,
        outbox: Outbox,
        on_state: Callable[[ConnectionState, str], None],
    ) -> None:
        self._addresses = addresses
        self._tokens = tokens
        self._credentials = credentials
        self._inbound = inbound
        self._outbox = outbox
        self._on_state = on_state
        self._closing = False
        self._idle = asyncio.Event()  # nothing is waiting to be written

    async def run(self) -> None:
        """Connect, and connect again, until `finish`.

        Raises:
            Refused: for good: the token, or what this client speaks.
            SessionEnded: the server said not to come back.
        """
        backoff = Backoff(RECONNECT_BASE_SECONDS, RECONNECT_CAP_SECONDS)
        clock = asyncio.get_running_loop().time
        first = secrets.randbelow(len(self._addresses))  # so that clients spread over the gateways
        for address in itertools.cycle([*self._addresses[first:], *self._addresses[:first]]):
            begun = clock()
            end = await self._attempt(address)
            if self._closing:
                return
            if clock() - begun > STABLE_SECONDS:
                backoff.reset()
            logger.info("no session with %s: %s", address, end.why)
            self._on_state(ConnectionState.CONNECTING, end.why)
            await asyncio.sleep(end.away + backoff.next())

    async def finish(self) -> None:
        """Let go out what waits to, and say that nothing more will come. `run` returns soon after."""
        self._closing = True
        if self._inbound.welcomed:
            self._outbox.nudge()
            await self._idle.wait()

    async def _attempt(self, address: str) -> _End:
        """One session, from connecting to its end."""
        try:
            token = await self._tokens.get()
        except Exception as error:  # a provider is the application's code; whatever it raises, it is asked again
            logger.warning("the token provider failed", exc_info=error)
            return _End(f"no token: {error!r}")
        self._idle.clear()
        channel = (
            grpc.aio.insecure_channel(address, options=_OPTIONS)
            if self._credentials is None
            else grpc.aio.secure_channel(address, self._credentials, options=_OPTIONS)
        )
        async with channel:
            stream = session_pb2_grpc.SessionServiceStub(channel).Open(
                metadata=grpc.aio.Metadata(("authorization", f"Bearer {token}"))
            )
            try:
                why = await self._talk(stream)
            finally:
                stream.cancel()
                self._inbound.end()
                self._idle.set()
        return self._judge(why)

    async def _talk(self, stream: Stream) -> Refused | str:
        reading = asyncio.create_task(self._read(stream), name="tertulia-read")
        writing = asyncio.create_task(self._write(stream), name="tertulia-write")
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            first = writing if writing.done() else reading  # a write that timed out cancels the read, too
            return "the stream was cut" if first.cancelled() else first.result()
        except grpc.aio.AioRpcError as error:
            return from_stream(error)
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    async def _read(self, stream: Stream) -> str:
        try:
            async with asyncio.timeout(WELCOME_SECONDS) as patience:
                while True:
                    frame = await stream.read()
                    if not isinstance(frame, session_pb2.ServerFrame):  # grpc.aio.EOF
                        return "the server ended the session"
                    self._inbound.on_frame(frame)
                    if self._inbound.welcomed and patience.when() is not None:
                        patience.reschedule(None)
                        self._tokens.accepted()
                    if self._inbound.goodbye is not None:
                        return self._inbound.goodbye.message
        except TimeoutError:
            return f"no welcome within {WELCOME_SECONDS:g} s"

    async def _write(self, stream: Stream) -> str:
        try:
            hello = self._inbound.begin()
            hello.client_name = CLIENT_NAME
            await stream.write(session_pb2.ClientFrame(hello=hello))
            while True:
                await self._outbox.wait()
                while self._inbound.welcomed and (frame := self._outbox.next_frame()) is not None:
                    async with asyncio.timeout(WRITE_SECONDS):
                        await stream.write(frame)
                if self._closing:
                    await stream.done_writing()
                    self._idle.set()
        except TimeoutError:
            return f"the server did not read for {WRITE_SECONDS:g} s"
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await asyncio.Event().wait()  # the stream has ended, and the reader knows why
            raise

    def _judge(self, end: Refused | str) -> _End:
        """How a session ended that is worth another try; else the error that says why not."""
        goodbye = self._inbound.goodbye
        if goodbye is not None:
            if not goodbye.reconnect:
                raise SessionEnded(goodbye.message or "the server ended the session for good")
            if goodbye.code == session_pb2.GOODBYE_CODE_TOKEN_EXPIRED and not self._tokens.refused():
                raise Unauthenticated(goodbye.message or "the token has expired", "TOKEN_EXPIRED")
            return _End(goodbye.message)
        if isinstance(end, Unauthenticated) and not self._tokens.refused():
            raise end
        if isinstance(end, _FOR_GOOD):
            raise end
        return _End(str(end), end.retry_after_ms / 1000 if isinstance(end, Refused) else 0.0)
