"""What every request passes before anything looks at it: limits, readable headers, and an end to stalled writes."""

import asyncio
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import parse_qsl

from connectrpc.errors import ConnectError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tertulia.chat.v1 import error_pb2

from libs.rpc.caller import CORRELATION_KEY, correlation_of
from libs.rpc.errors import DeadlineExceeded, ResourceExhausted, TertuliaError, Unauthenticated
from libs.runtime.logs import correlation_id
from services.web.answers import refuse
from services.web.errors import to_connect_error
from services.web.headers import Headers, adding
from services.web.stats import Stats

_LOOK_SECONDS = 1.0  # how late a stalled write may be noticed
_RETRY_MS = 2_000
_TOKEN_PARAMETERS = {"token", "access_token", "authorization", "jwt"}


class Limits(NamedTuple):
    """What a request may take."""

    requests: int
    """How many may be open at a time."""
    bytes: int
    """Of its body."""
    seconds: float
    """For its body to arrive."""
    stall_seconds: float
    """For one write of its response."""
    endless: Collection[str] = ()
    """Paths whose bodies are streams, to which size and time of a body do not apply."""


class Stalled(Exception):
    """The client reads nothing; nothing more can be sent to it."""


class _Exchange:
    """A request that is being answered: measures its body, and knows since when a write waits."""

    __slots__ = (
        "_bytes_left",
        "_deadline",
        "_receive",
        "_send",
        "_task",
        "is_cut",
        "started",
        "write_began",
    )

    def __init__(self, receive: Receive, send: Send, limits: Limits, *, endless: bool) -> None:
        self._receive = receive
        self._send = send
        self._bytes_left = limits.bytes
        self._deadline = None if endless else asyncio.get_running_loop().time() + limits.seconds
        """None: the body is here, or is a stream: what is waited for is not late."""
        self._task = asyncio.current_task()
        self.is_cut = False
        self.started = False
        self.write_began = 0.0
        """The loop's time when the write under way began; 0: none is."""

    async def receive(self) -> Message:
        if self._deadline is None:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise to_connect_error(_too_slow()) from None
        self._bytes_left -= len(message.get("body", b""))
        if self._bytes_left < 0:
            raise to_connect_error(_too_large())
        if not message.get("more_body", False):
            self._deadline = None
        return message

    async def send(self, message: Message) -> None:
        if self.is_cut:
            raise Stalled
        if message["type"] == "http.response.start":
            self.started = True
        self.write_began = asyncio.get_running_loop().time()
        await self._send(message)
        self.write_began = 0.0

    def cut(self) -> None:
        """End it at once: nothing more can be sent, not even that it ends."""
        self.is_cut = True
        if self._task is not None:
            self._task.cancel()


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, limits: Limits, stats: Stats) -> None:
        self._app = app
        self._limits = limits
        self._stats = stats
        self._open: set[_Exchange] = set()
        self._empty = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_headers = _readable(scope["headers"])
        correlation = correlation_of((name.decode("latin-1"), value.decode()) for name, value in request_headers)
        correlation_id.set(correlation)
        exchange = _Exchange(
            receive,
            adding([(CORRELATION_KEY.encode(), correlation.encode())], send),
            self._limits,
            endless=scope["path"] in self._limits.endless,
        )
        refusal = self._refusal(scope)
        if refusal is not None:
            await refuse(refusal, exchange.send)
            return
        self._open.add(exchange)
        self._stats.requests = len(self._open)
        try:
            await self._app({**scope, "headers": request_headers}, exchange.receive, exchange.send)
        except (Stalled, asyncio.CancelledError):
            if not exchange.is_cut:
                raise
        except ConnectError as error:  # its body was too large or too slow
            if not exchange.started:
                await refuse(error, exchange.send)
        finally:
            self._open.discard(exchange)
            self._stats.requests = len(self._open)
            if not self._open:
                self._empty.set()

    def _refusal(self, scope: Scope) -> TertuliaError | None:
        if len(self._open) >= self._limits.requests:
            self._stats.refused += 1
            return _overloaded()
        query = scope.get("query_string", b"")
        if query and any(name.lower() in _TOKEN_PARAMETERS for name, _ in parse_qsl(query.decode("latin-1"))):
            return _token_in_url()
        return None

    async def watch_over(self) -> None:
        """Cut requests whose client reads nothing; for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            stalled_since = loop.time() - self._limits.stall_seconds
            for exchange in list(self._open):
                if 0 < exchange.write_began < stalled_since:
                    self._stats.stalls += 1
                    exchange.cut()

    async def emptied(self, seconds: float) -> int:
        """Wait until no request is open, for at most `seconds`, then cut those that are: how many they were."""
        try:
            async with asyncio.timeout(seconds):
                while self._open:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            for exchange in self._open:
                exchange.cut()
        return len(self._open)


def _readable(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers whose values are UTF-8, as everything behind takes for granted; what is none is replaced by U+FFFD."""
    return [(name, value if value.isascii() else value.decode(errors="replace").encode()) for name, value in headers]


def _overloaded() -> ResourceExhausted:
    return ResourceExhausted(
        "this server has all the requests it can hold; try again",
        error_pb2.ERROR_REASON_OVERLOADED,
        retry_after_ms=_RETRY_MS,
    )


def _token_in_url() -> Unauthenticated:
    return Unauthenticated(
        "a token in a URL ends up in logs; send it in the header `authorization: Bearer <token>`",
        error_pb2.ERROR_REASON_TOKEN_MISSING,
    )


def _too_large() -> ResourceExhausted:
    return ResourceExhausted("the request is larger than this server takes", error_pb2.ERROR_REASON_LIMIT_REACHED)


def _too_slow() -> DeadlineExceeded:
    return DeadlineExceeded("the request's body did not come in time", error_pb2.ERROR_REASON_DEADLINE_EXCEEDED)
