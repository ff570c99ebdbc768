"""One session, from its hello to its goodbye."""

import asyncio
import secrets
from typing import NoReturn, Protocol

from google.protobuf.message import DecodeError
from tertulia.chat.v1 import session_pb2

from libs.rpc.errors import TertuliaError
from libs.rpc.transport import Transport
from services.gateway.answers import Answers
from services.gateway.audiences import Seat
from services.gateway.commands import Commands, Handlers, frame_invalid
from services.gateway.identity import Identity
from services.gateway.outbox import Outbox
from services.gateway.session_logs import SessionLogs, Sources
from services.gateway.stats import Stats

_SETTLE_SECONDS = 5.0  # what was asked before the end is answered, if it is answered within this


class _Over(Exception):
    """The session has ended as it should; raised to cancel what is still under way for it."""


def _end_all() -> NoReturn:
    """Ends a task group from inside of it."""
    raise _Over


def parse_frame(data: bytes) -> session_pb2.ClientFrame:
    """What a client sent.

    Raises:
        InvalidArgument: FRAME_INVALID.
    """
    try:
        return session_pb2.ClientFrame.FromString(data)
    except DecodeError:
        raise frame_invalid("the frame is no tertulia.chat.v1.ClientFrame") from None


class Carriage(Protocol):
    """What carries a session together with others; see `carrier.Carried`."""

    seat: Seat

    def begun(self, logs: SessionLogs, outbox: Outbox) -> None:
        """The session has these."""


class Session:
    """A client that said hello. `run` is its whole life; `end` and `cut` end it from outside."""

    def __init__(
        self,
        identity: Identity,
        transport: Transport,
        queue_bytes: int,
        stats: Stats,
        carried: Carriage | None = None,
    ) -> None:
        self.identity = identity
        self.outbox = Outbox(queue_bytes)
        self._transport = transport
        self._carried = carried
        self._answers = Answers(self.outbox, stats)
        self._goodbye: session_pb2.Goodbye | None = None
        self._ended = asyncio.Event()
        self._patience: asyncio.Timeout | None = None
        self._cut: TertuliaError | None = None

    async def run(self, hello: session_pb2.ClientFrame, sources: Sources, handlers: Handlers) -> None:
        """Serve the client until it goes or the session is ended.

        Raises:
            TertuliaError: it was cut.
            ExceptionGroup: of a TertuliaError: a bad frame, or a service that was needed to begin does not answer; or of
                TransportGone.
        """
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._run(hello, sources, handlers)
        except TimeoutError:
            if self._cut is None:
                raise
            raise self._cut from None

    def end(self, code: session_pb2.GoodbyeCode.ValueType, message: str) -> None:
        """Answer what was asked, say goodbye, and end."""
        if self._goodbye is None:
            self._goodbye = session_pb2.Goodbye(code=code, reconnect=True, message=message)
            self._ended.set()

    def cut(self, error: TertuliaError) -> None:
        """End at once with an error; what is queued is lost, and nothing is left of the session here."""
        if self._patience is not None and self._cut is None:
            self._cut = error
            self._patience.reschedule(0.0)

    async def _run(self, hello: session_pb2.ClientFrame, sources: Sources, handlers: Handlers) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._live(hello, sources, handlers, tasks)
                _end_all()
        except* _Over:
            pass

    async def _live(
        self, hello: session_pb2.ClientFrame, sources: Sources, handlers: Handlers, tasks: asyncio.TaskGroup
    ) -> None:
        caller = self.identity.caller
        logs = SessionLogs(caller, self.outbox, sources, self._carried.seat if self._carried else None)
        if self._carried:
            self._carried.begun(logs, self.outbox)
        commands = Commands(self.identity, self.outbox, self._answers, logs.grant, handlers, tasks)
        writer = tasks.create_task(self.outbox.run(self._transport.write))
        try:
            await self._open(hello.hello, logs)
            working = (tasks.create_task(logs.run()), tasks.create_task(self._read(hello, logs, commands)))
            await self._ended.wait()
            for task in working:
                task.cancel()
            await self._settle()
        finally:  # none of `working` runs on from here: what it opened now would never be closed
            logs.close()
            commands.close()
            self.outbox.close()
        await writer

    async def _open(self, hello: session_pb2.Hello, logs: SessionLogs) -> None:
        session_id = secrets.token_hex(8)
        if self.identity.caller.user_id:
            await logs.open(session_id, hello.positions)
        else:
            welcome = session_pb2.Notice(welcome=session_pb2.Welcome(session_id=session_id))
            self.outbox.push(session_pb2.ServerFrame(notices=[welcome]).SerializeToString())

    async def _read(self, first: session_pb2.ClientFrame, logs: SessionLogs, commands: Commands) -> None:
        await logs.caught_up.wait()
        await commands.carry_out(first)
        while (data := await self._transport.read()) is not None:
            frame = parse_frame(data)
            if frame.HasField("hello"):
                raise frame_invalid("hello comes in the first frame only")
            await commands.carry_out(frame)
        self._ended.set()

    async def _settle(self) -> None:
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await self._answers.at_most(0)
        except TimeoutError:
            pass  # those outcomes the client learns by its retries (I4)
        if self._goodbye is not None:
            notice = session_pb2.Notice(goodbye=self._goodbye)
            self.outbox.push(session_pb2.ServerFrame(notices=[notice]).SerializeToString())
