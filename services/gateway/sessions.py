"""All sessions of the process: who is let in, who has to go."""

import asyncio
import random
import time
from collections.abc import Iterable
from contextlib import suppress

import structlog
from tertulia.chat.v1 import error_pb2, session_pb2

from libs.rpc.errors import ResourceExhausted, TertuliaError, Unauthenticated, Unavailable, guest_read_only
from libs.rpc.transport import Transport, TransportGone
from libs.rpc.validation import validate
from libs.runtime.errors import causes_of
from services.gateway.commands import Handlers, frame_invalid
from services.gateway.identity import Identity
from services.gateway.online import Online
from services.gateway.revocations import Revocations
from services.gateway.session import Carriage, Session, parse_frame
from services.gateway.session_logs import Sources
from services.gateway.settings import GatewaySettings
from services.gateway.stats import Stats
from services.gateway.tokens import Tokens

log = structlog.get_logger()

LOOK_SECONDS = 1.0  # how late an expired or revoked token, a withdrawn key or a stalled write may be noticed
_RETRY_MS = (1_000, 5_000)  # clients that are turned away come back spread over this


class Sessions:
    """Opens sessions for clients with a good token, and ends those whose token expires or is revoked, whose key is
    withdrawn, that stall or must move."""

    def __init__(
        self,
        settings: GatewaySettings,
        tokens: Tokens,
        revocations: Revocations,
        sources: Sources,
        handlers: Handlers,
        online: Online,
        stats: Stats,
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._revocations = revocations
        self._sources = sources
        self._handlers = handlers
        self._online = online
        self._stats = stats
        self._open: set[Session] = set()
        self._greeting = 0
        self._draining = False
        self._empty = asyncio.Event()
        self.drained = asyncio.Event()
        """Nobody is let in any more, and everybody was sent away."""

    async def serve(self, transport: Transport, identity: Identity, carried: Carriage | None = None) -> None:
        """The whole of one session, of who has just shown a good token. `carried`: its transport, if that is a carrier's.

        Raises:
            TertuliaError: a frame or the time is not good, or the token not any more; see SessionService.Open.
        """
        try:
            await self._serve(transport, identity, carried)
        except TransportGone:
            return
        except ExceptionGroup as group:
            causes = causes_of(group)
            for cause in causes:
                if isinstance(cause, TertuliaError):
                    raise cause from None
            if not all(isinstance(cause, TransportGone) for cause in causes):
                raise

    async def _serve(self, transport: Transport, identity: Identity, carried: Carriage | None) -> None:
        if identity.caller.guest:
            raise guest_read_only()
        self._admit()
        self._greeting += 1
        try:
            first = await self._hello(transport)
        finally:
            self._greeting -= 1
        self._admit()
        self._revocations.refuse(identity)  # of what was heard before it is in `_open`, nobody else would tell it
        session = Session(identity, transport, self._settings.queue_bytes, self._stats, carried)
        self._open.add(session)
        self._stats.sessions = len(self._open)
        self._stats.sessions_opened += 1
        is_user = bool(identity.caller.user_id)
        try:
            if is_user:
                self._online.opened(identity.caller)
            await session.run(first, self._sources, self._handlers)
        finally:
            if is_user:
                self._online.closed(identity.caller)
            self._open.discard(session)
            self._stats.sessions = len(self._open)
            if not self._open:
                self._empty.set()

    def _admit(self) -> None:
        retry_ms = random.randint(*_RETRY_MS)  # noqa: S311 - jitter
        if self._draining:
            raise Unavailable(
                "this gateway is shutting down; connect again",
                error_pb2.ERROR_REASON_UNAVAILABLE,
                retry_after_ms=retry_ms,
            )
        if len(self._open) + self._greeting >= self._settings.max_sessions:
            raise ResourceExhausted(
                "this gateway has all the sessions it can hold",
                error_pb2.ERROR_REASON_OVERLOADED,
                retry_after_ms=retry_ms,
            )

    async def _hello(self, transport: Transport) -> session_pb2.ClientFrame:
        try:
            async with asyncio.timeout(self._settings.hello_seconds):
                data = await transport.read()
        except TimeoutError:
            raise frame_invalid("no hello came in time") from None
        if data is None:
            raise frame_invalid("the stream ended before hello")
        frame = parse_frame(data)
        if not frame.HasField("hello"):
            raise frame_invalid("the first frame must hold hello")
        validate(frame.hello)
        return frame

    def identities(self) -> Iterable[Identity]:
        """Of everybody who is here."""
        return (session.identity for session in self._open)

    async def watch_over(self) -> None:
        """End sessions whose token has expired, cut those whose token was revoked or whose client reads nothing; for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now, stalled_since = time.time(), loop.time() - self._settings.stall_seconds
            revoked = self._revocations.news()
            for session in list(self._open):
                if session.identity.caller[:2] in revoked:
                    self._cut_if_revoked(session)
                if 0 < session.outbox.write_began < stalled_since:
                    self._stats.stalls += 1
                    session.cut(too_slow())  # the stream cannot carry a goodbye
                elif session.identity.expires_at <= now:
                    session.end(
                        session_pb2.GOODBYE_CODE_TOKEN_EXPIRED, "the token has expired; come back with a new one"
                    )

    def _cut_if_revoked(self, session: Session) -> None:
        try:
            self._revocations.refuse(session.identity)
        except Unauthenticated as revoked:
            self._stats.revoked += 1
            session.cut(revoked)

    async def cut_withdrawn(self) -> None:
        """Cut sessions whose key was withdrawn, however long their tokens would last."""
        for key in {session.identity.key for session in self._open}:
            with suppress(TertuliaError):  # sessions stay while channel does not answer
                await self._cut_if_withdrawn(key)

    async def _cut_if_withdrawn(self, key: tuple[str, str]) -> None:
        try:
            await self._tokens.require_key(*key)
        except Unauthenticated as withdrawn:
            for session in list(self._open):
                if session.identity.key == key:
                    self._stats.revoked += 1
                    session.cut(withdrawn)

    async def drain(self, seconds: float) -> None:
        """Let nobody in, say goodbye to everybody at a time of their own, and wait for them to end, for at most `seconds`."""
        self._draining = True
        loop = asyncio.get_running_loop()
        for session in self._open:
            delay = random.uniform(0, min(self._settings.goodbye_seconds, seconds))  # noqa: S311 - jitter
            loop.call_later(delay, session.end, session_pb2.GOODBYE_CODE_DRAIN, "this gateway is shutting down")
        try:
            async with asyncio.timeout(seconds):
                while self._open:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            log.warning("sessions_cut", sessions=len(self._open))
        self.drained.set()


def too_slow() -> Unavailable:
    return Unavailable(
        "the client read nothing for too long; connect again",
        error_pb2.ERROR_REASON_UNAVAILABLE,
        retry_after_ms=_RETRY_MS[0],
    )
