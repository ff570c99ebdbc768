"""One stream that carries the listening sessions of many users: the web door's."""

import asyncio

from google.protobuf.message import DecodeError
from tertulia.chat.v1 import error_pb2
from tertulia_internal.gateway.v1 import carrier_pb2

from libs.http2 import Call
from libs.rpc.caller import CORRELATION_KEY, correlation_id, correlation_of
from libs.rpc.errors import Unavailable
from libs.rpc.faults import clean
from libs.rpc.status import to_failure
from libs.runtime.errors import causes_of
from services.gateway.audiences import Audiences, Seat, encoded
from services.gateway.commands import frame_invalid
from services.gateway.listening import first_frame, silence
from services.gateway.outbox import Outbox
from services.gateway.session_logs import SessionLogs
from services.gateway.sessions import Sessions, too_slow
from services.gateway.settings import GatewaySettings
from services.gateway.stats import Stats
from services.gateway.tokens import Tokens

QUEUE_BYTES = 8 * 1024 * 1024
"""What may wait for a door, in which each slice is there once."""

WINDOW_BYTES = 64 * 1024
"""What a user may have been sent in user frames that is not taken yet, as the proto says."""

_BEGINNING = 4_096
"""Users of one door whose token is being checked. Anybody can attach users without a token: behind so many the door is not read."""

_LOOK_SECONDS = 1.0  # how late a stalled write, or a door that nobody uses, may be noticed


class Carried:
    """The `Transport` of one user's session.

    Once everything that the session had to send was taken, its readers are given the live end of their logs together with
    those of others. Not before: what waits here would come behind it.
    """

    def __init__(
        self, attach: carrier_pb2.Attach, audiences: Audiences, outbox: Outbox, beginning: asyncio.Semaphore
    ) -> None:
        self.handle = attach.handle
        self.seat = Seat(audiences, attach.handle)
        self._request: bytes | None = attach.request
        self._carrier = outbox
        self._untaken = 0
        self._writing = False
        self._room: asyncio.Future[None] | None = None
        self._session: tuple[SessionLogs, Outbox] | None = None
        self._beginning: asyncio.Semaphore | None = beginning

    def begun(self, logs: SessionLogs, outbox: Outbox) -> None:
        """The session has these."""
        self._session = (logs, outbox)
        self.settled()

    def settled(self) -> None:
        """It is known whether there is a session: one user more may begin. Safe to repeat."""
        if self._beginning is not None:
            self._beginning.release()
            self._beginning = None

    async def read(self) -> bytes | None:
        if self._request is None:
            await silence()
        request, self._request = self._request, None
        return first_frame(request or b"")

    async def write(self, data: bytes) -> None:
        self._writing = True
        while self._untaken >= WINDOW_BYTES:
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        await self._carrier.room()
        self._writing = False
        self._untaken += len(data)
        frame = carrier_pb2.UserFrame(handle=self.handle, frame=data)
        self._carrier.push(encoded(carrier_pb2.Part(user_frame=frame)))

    def taken(self, size: int) -> None:
        """So many bytes were passed on to the client."""
        self._untaken = max(0, self._untaken - size)
        if self._room is not None and self._untaken < WINDOW_BYTES and not self._room.done():
            self._room.set_result(None)
        if self._session is not None and not self._untaken and not self._writing:
            logs, outbox = self._session
            if outbox.empty:
                logs.share()

    def slow(self) -> None:
        """The client does not keep up with the others."""
        if self._session is not None:
            logs, _ = self._session
            logs.stand_alone()


class Carrier:
    """`run` is its whole life."""

    def __init__(self, call: Call, sessions: Sessions, tokens: Tokens, settings: GatewaySettings, stats: Stats) -> None:
        self._call = call
        self._sessions = sessions
        self._tokens = tokens
        self._settings = settings
        self._outbox = Outbox(QUEUE_BYTES)
        self._audiences = Audiences(self._outbox, stats)
        self._users: dict[int, tuple[Carried, asyncio.Task[None]]] = {}
        self._beginning = asyncio.Semaphore(_BEGINNING)

    async def run(self) -> None:
        """Serve until the door goes, or every session of the gateway was told to.

        Raises:
            TertuliaError: the door sent what is no request, or reads nothing.
            TransportGone: it has gone.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._outbox.run(self._call.write))
                watching = tasks.create_task(self._watch_over())
                reading = tasks.create_task(self._read(tasks))
                draining = tasks.create_task(self._sessions.drained.wait())
                await asyncio.wait((reading, draining), return_when=asyncio.FIRST_COMPLETED)
                for task in (reading, draining, *(task for _, task in self._users.values())):
                    task.cancel()
                self._outbox.close()
                await writer
                watching.cancel()
        except ExceptionGroup as group:
            raise causes_of(group)[0] from None

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        try:
            async with asyncio.timeout(self._settings.hello_seconds):
                data = await self._call.read()
        except TimeoutError:
            raise frame_invalid("nobody was attached in time") from None
        while data is not None:
            await self._carry_out(_parsed(data), tasks)
            data = await self._call.read()

    async def _carry_out(self, request: carrier_pb2.CarryRequest, tasks: asyncio.TaskGroup) -> None:
        for attach in request.attaches:
            if attach.handle in self._users or not attach.handle:
                raise frame_invalid(f"handle {attach.handle} cannot be used")
            await self._outbox.room()  # a refusal may be longer than what was refused
            await self._beginning.acquire()
            carried = Carried(attach, self._audiences, self._outbox, self._beginning)
            self._users[attach.handle] = (carried, tasks.create_task(self._serve(carried, attach)))
        # those who have ended meanwhile are passed over
        for taken in request.taken:
            if user := self._users.get(taken.handle):
                user[0].taken(taken.bytes)
        for handle in request.slow_handles:
            if user := self._users.get(handle):
                user[0].slow()
        for handle in request.detached_handles:
            if user := self._users.pop(handle, None):
                user[1].cancel()
                user[0].settled()  # its task may not have begun, and then ends without a word

    async def _serve(self, carried: Carried, attach: carrier_pb2.Attach) -> None:
        metadata = [("authorization", attach.authorization), (CORRELATION_KEY, attach.correlation_id)]
        correlation_id.set(correlation_of(metadata))
        ended = carrier_pb2.Ended(handle=carried.handle)
        try:
            identity = await self._tokens.authenticate(metadata)
            self._call.authenticated()
            await self._sessions.serve(carried, identity, carried)
        except Exception as error:  # noqa: BLE001 - the one place where a user's fault is kept from the others
            ended.failure.CopyFrom(to_failure(0, clean(error)))
        finally:
            carried.settled()
        self._users.pop(carried.handle, None)
        self._outbox.push(encoded(carrier_pb2.Part(ended=ended)))

    async def _watch_over(self) -> None:
        loop = asyncio.get_running_loop()
        used_at = loop.time()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._users:
                used_at = loop.time()
            elif loop.time() - used_at > self._settings.hello_seconds:
                raise _unused()
            if 0 < self._outbox.write_began < loop.time() - self._settings.stall_seconds:
                raise too_slow()


def _unused() -> Unavailable:
    """Ends a stream that costs memory and carries nobody. Somebody who was attached just then comes back."""
    return Unavailable("nobody is carried; begin another stream", error_pb2.ERROR_REASON_UNAVAILABLE)


def _parsed(data: bytes) -> carrier_pb2.CarryRequest:
    try:
        return carrier_pb2.CarryRequest.FromString(data)
    except DecodeError:
        raise frame_invalid("the request is no tertulia_internal.gateway.v1.CarryRequest") from None
