"""The client: a live conversation that survives its connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

import grpc

from tertulia.actor import Actor
from tertulia.addresses import DEFAULT_ADDRESS, listed
from tertulia.asking import Asker
from tertulia.buffer import DEFAULT_CAPACITY, EventBuffer
from tertulia.channels import Channels
from tertulia.errors import NOT_ENTERED, ClientClosed, TertuliaError, Unreachable
from tertulia.events import ClientEvent, ConnectionChanged, ConnectionState
from tertulia.gaps import GapFiller
from tertulia.inbound import Inbound
from tertulia.models import MyChannel
from tertulia.outbox import Outbox
from tertulia.session import FLUSH_SECONDS, Session, TokenProvider, Tokens

CONNECT_SECONDS = 10.0
"""How long the first connection may take, where the caller does not say."""

_END_SECONDS = 1.0  # for the server to end its side of the stream after ours


class Client(Actor):
    """A user's (or, with a server token, an application's) connection. Made by `connect`, used with `async with`."""

    def __init__(
        self,
        addresses: Sequence[str],
        tokens: Tokens,
        credentials: grpc.ChannelCredentials | None,
        event_buffer: int,
        connect_timeout: float,
        receipts: bool,
    ) -> None:
        self._look_for_gaps, self._look_for_questions = asyncio.Event(), asyncio.Event()
        self._buffer = EventBuffer(event_buffer, on_room=self._look_for_gaps.set)
        self._joined = Channels(self._buffer, self._look, on_arrival=self._on_arrival if receipts else None)
        super().__init__(Outbox(seen=self._joined.seen), as_user="", on_block=self._joined.on_block)
        self._gaps = GapFiller(self._joined, self._buffer, self._outbox.calls, self._look_for_gaps)
        self._asker = Asker(self._joined, self._caller, self._look_for_questions)
        self._inbound = Inbound(self._buffer, self._joined, self._outbox, self._on_state)
        self._session = Session(addresses, tokens, credentials, self._inbound, self._outbox, self._on_state)
        self._connect_timeout = connect_timeout
        self._state = ConnectionState.CONNECTING
        self._detail = ""
        self._online = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._error: TertuliaError | None = None
        self._awaited = False

    @property
    def user_id(self) -> str:
        """Whose client this is; empty for the application itself."""
        return self._inbound.user_id

    @property
    def state(self) -> ConnectionState:
        return self._state

    @property
    def joined(self) -> Mapping[str, MyChannel]:
        """The channels that the user is in, by id, as they are now: head, last message, unread and mention counts, read
        position, preferences, role, permissions.

        Kept from what the session tells: complete once connected, and current without asking.
        """
        return self._joined

    def acting_for(self, user_id: str) -> Actor:
        """For server tokens: the same, in the name of one of the application's users."""
        return Actor(self._outbox, user_id)

    def events(self) -> AsyncIterator[ClientEvent]:
        """What happens, from connecting on, until the client is closed. Leaving the loop and iterating again goes on where
        it was left.

        The events of a channel's log come in order, each once, and none is left out, whatever the connection does. A slow
        consumer holds up nothing: at most `event_buffer` events wait for it, what goes beyond is fetched from the log
        when there is room, states (presence, read positions) keep their newest value, and typing is dropped.

        Raises:
            Refused, SessionEnded: the session is over for good.
            ClientClosed: the client was not entered.
            RuntimeError: somebody else is waiting for the next event.
        """
        return _Events(self._next_event)

    async def _next_event(self) -> ClientEvent:
        if self._awaited:
            raise RuntimeError("client.events() has one consumer at a time")
        if not self._tasks:
            raise ClientClosed(NOT_ENTERED)
        self._awaited = True
        try:
            while (event := self._buffer.take()) is None:
                if isinstance(self._error, ClientClosed):
                    raise StopAsyncIteration
                if self._error is not None:
                    raise self._error.with_traceback(None)  # else it grows each time
                await self._buffer.wait()
            return event
        finally:
            self._awaited = False

    def typing(self, channel_id: str, active: bool = True) -> None:
        """Say that the user is typing (again every 3 s while it lasts), or stopped without sending. May be lost."""
        self._outbox.typing(channel_id, active)

    def mark_read(self, channel_id: str, seq: int | None = None) -> None:
        """Everything up to `seq`, or all that has arrived, is read. It never goes back, and survives reconnecting. Should the
        server refuse it, there is a `SignalRefused` among the events; `channels.mark_read` waits for the answer."""
        seq = self._joined.mark_read(channel_id, seq)
        if seq:
            self._outbox.mark_read(channel_id, seq)

    def watch(self, user_ids: Iterable[str]) -> None:
        """Follow people's presence: one `PresenceChanged` for each now, and at every change.

        Raises:
            ResourceExhausted: LIMIT_REACHED, more than 1,000 in all.
        """
        self._outbox.watch(user_ids)

    def unwatch(self, user_ids: Iterable[str]) -> None:
        """Follow these people's presence no longer."""
        self._outbox.unwatch(user_ids)

    async def __aenter__(self) -> Self:
        self._outbox.open()
        self._tasks = [
            asyncio.create_task(self._guard(self._session.run), name="tertulia-session"),
            asyncio.create_task(self._guard(self._gaps.run), name="tertulia-gaps"),
            asyncio.create_task(self._guard(self._asker.run), name="tertulia-asker"),
        ]
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._online.wait()
        except TimeoutError:
            why = self._detail or "no connection"
            await self._stop()
            raise Unreachable(f"no server answered within {self._connect_timeout:g} s: {why}") from None
        except BaseException:
            await self._stop()
            raise
        if self._error is not None:
            await self._stop()
            raise self._error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go out what was noted last, then end. Whoever waits gets `ClientClosed`. Leaves no task behind."""
        try:
            if self._state is ConnectionState.ONLINE:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._session.finish()
                await asyncio.wait(self._tasks[:1], timeout=_END_SECONDS)
        except TimeoutError:
            pass  # what could not go out in time is lost with the session
        finally:
            await self._stop()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._end(ClientClosed("the client is closed"))

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except TertuliaError as error:
            self._end(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours: better raised to the callers than waited for in vain
            fault = TertuliaError(f"the client failed: {error!r}")
            fault.__cause__ = error
            self._end(fault)

    def _look(self) -> None:
        self._look_for_gaps.set()
        self._look_for_questions.set()

    def _on_arrival(self, channel_id: str, seq: int) -> None:
        self._outbox.mark_delivered(channel_id, seq)

    def _on_state(self, state: ConnectionState, detail: str = "") -> None:
        self._gaps.set_online(state is ConnectionState.ONLINE)
        self._asker.set_online(state is ConnectionState.ONLINE)
        self._detail = detail or self._detail
        if state is not self._state:
            self._state = state
            self._buffer.put_state("connection", ConnectionChanged(state, detail))
        if state is ConnectionState.ONLINE:
            self._online.set()

    def _end(self, error: TertuliaError) -> None:
        if self._error is not None:
            return
        self._error = error
        self._outbox.fail(error)
        self._on_state(ConnectionState.CLOSED, str(error))
        self._online.set()
        self._buffer.wake()


class _Events(AsyncIterator[ClientEvent]):
    """An iterator and no generator: breaking out of a loop over it leaves nothing to be closed."""

    def __init__(self, next_event: Callable[[], Awaitable[ClientEvent]]) -> None:
        self._next_event = next_event

    async def __anext__(self) -> ClientEvent:
        return await self._next_event()


def connect(
    address: str | Sequence[str] = DEFAULT_ADDRESS,
    *,
    token: str | None = None,
    token_provider: TokenProvider | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    connect_timeout: float = CONNECT_SECONDS,
    event_buffer: int = DEFAULT_CAPACITY,
    receipts: bool = True,
) -> Client:
    """A client, to be used as `async with tertulia.connect(…) as client`.

    Entering waits for the first connection and for what the server has to tell. From then on the client keeps itself
    connected, with full-jitter backoff and each address in its turn, until it is closed, the server says goodbye for good,
    or it refuses the token.

    Args:
        address: `host:port`, or several, in a sequence or separated by commas: gateways of one server, of which a random one is
            tried first. Without a port it is 7420.
        token: a user's or server's token. When it expires, so does the client.
        token_provider: asked for a token at first, and again whenever the server refuses the last one. In place of `token`.
        credentials: for TLS; without them the connection is not encrypted.
        connect_timeout: seconds for the first connection.
        event_buffer: how many events may wait for `Client.events`.
        receipts: whether others are told, in channels of at most 100 members, what has reached this device (`DeliveredChanged`):
            the messages that came while it was open, and on connecting those that it was told to be unread.

    Raises:
        ValueError: not exactly one of `token` and `token_provider`, no address or none of a gateway, or no buffer.
        Unreachable: (on entering) no server answered in time.
        Unauthenticated: (on entering) the token is refused.
    """
    addresses = listed(address)
    if (token is None) == (token_provider is None):
        raise ValueError("connect needs a token or a token_provider")
    if event_buffer < 1:
        raise ValueError("connect needs room for at least one event")
    return Client(addresses, Tokens(token, token_provider), credentials, event_buffer, connect_timeout, receipts)
