"""Handlers by path, served on an address."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import error_pb2

from libs.http2.admission import Admission, Place
from libs.http2.call import Call
from libs.http2.connection import Connection
from libs.http2.door import Door
from libs.http2.limits import Limits
from libs.rpc.caller import correlation_id, correlation_of
from libs.rpc.errors import DeadlineExceeded, TertuliaError, Unavailable, Unimplemented
from libs.rpc.faults import clean
from libs.rpc.transport import TransportGone
from libs.runtime.errors import CannotStart
from libs.runtime.process import running

log = structlog.get_logger()

Handler = Callable[[Call], Awaitable[None]]
"""Reads and writes the messages of a call. It ends when this returns or raises: see `libs.rpc.errors`."""

_BACKLOG = 1_024  # connections that wait to be accepted: after a restart everybody comes at once
_LOOK_SECONDS = 5.0


class Server:
    """A gRPC server. `handlers`: by "/<service>/<method>". Its connections are counted in `registry`."""

    def __init__(self, handlers: Mapping[str, Handler], limits: Limits, registry: CollectorRegistry) -> None:
        self._handlers = handlers
        self._limits = limits
        self._admission = Admission(limits)
        registry.register(self._admission)
        self._connections: set[Connection] = set()
        self._calls: set[Call] = set()
        self._idle = asyncio.Event()

    @asynccontextmanager
    async def served(self, listen: str, drain_seconds: float, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        """Serve while the body runs; then take no new call, give open ones `drain_seconds`, and cut them.

        Yields the address, with the real port where `listen` said port 0.

        Raises:
            CannotStart: the address cannot be listened on.
        """
        door = Door(self._admission, self._new_connection, tls, self._limits.greeting_seconds)
        listener = await self._listen(listen, door)
        address = listen
        if not listen.startswith("unix:"):
            address = f"{listen.rpartition(':')[0]}:{listener.sockets[0].getsockname()[1]}"
        log.info("serving", address=address)
        try:
            async with running(self._look_after_connections()):
                yield address
        finally:
            listener.close()
            door.close()
            await asyncio.shield(self._drain(drain_seconds))
            log.info("stopped")

    async def _listen(self, listen: str, door: Door) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        try:
            if listen.startswith("unix:"):
                return await loop.create_unix_server(door.arrival, listen.removeprefix("unix:"), backlog=_BACKLOG)
            host, _, port = listen.rpartition(":")
            everywhere = host in ("", "[::]")  # asyncio would take "::" for IPv6 only
            return await loop.create_server(
                door.arrival, None if everywhere else host.strip("[]"), int(port), backlog=_BACKLOG
            )
        except (OSError, ValueError) as error:
            raise CannotStart(f"cannot listen on {listen}: is another process there?") from error

    def _new_connection(self, place: Place) -> Connection:
        return Connection(self._limits, self._connections, self._start, place)

    def _start(self, call: Call) -> asyncio.Task[None]:
        self._calls.add(call)
        task = asyncio.get_running_loop().create_task(self._run(call))
        task.add_done_callback(lambda _: self._ended(call))  # it may be cancelled before its first step
        return task

    def _ended(self, call: Call) -> None:
        self._calls.discard(call)
        call.finish(_given_up())  # a handler that was cancelled, and not because its client has gone
        if not self._calls:
            self._idle.set()

    async def _run(self, call: Call) -> None:
        try:
            call.finish(await self._outcome(call))
        except asyncio.CancelledError:
            # the task ends here anyway, and would keep the error, whose frames keep the task: for the collector, which comes late
            return

    async def _outcome(self, call: Call) -> TertuliaError | None:
        correlation_id.set(correlation_of(call.metadata))
        try:
            async with asyncio.timeout(call.request.seconds) as deadline:
                await self._handler(call)(call)
        except TransportGone:
            return None  # nobody is there to be told
        except TimeoutError as error:
            if not deadline.expired():
                return clean(error)
            return DeadlineExceeded("the call took longer than its deadline", error_pb2.ERROR_REASON_DEADLINE_EXCEEDED)
        except Exception as error:  # noqa: BLE001 - the one place where faults are turned into statuses
            return clean(error)
        return None

    def _handler(self, call: Call) -> Handler:
        if call.request.error is not None:
            raise call.request.error
        handler = self._handlers.get(call.request.path)
        if handler is None:
            raise Unimplemented(f"no method {call.request.path!r}", error_pb2.ERROR_REASON_METHOD_UNKNOWN)
        return handler

    async def _look_after_connections(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = asyncio.get_running_loop().time()
            for connection in list(self._connections):
                connection.look_after(now)

    async def _drain(self, seconds: float) -> None:
        for connection in list(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(seconds):
                while self._calls:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            for call in list(self._calls):
                call.cut(_given_up())
        for connection in list(self._connections):
            connection.drain()


def _given_up() -> Unavailable:
    return Unavailable("the server stops; whether it did this is unknown", error_pb2.ERROR_REASON_OUTCOME_UNKNOWN)
