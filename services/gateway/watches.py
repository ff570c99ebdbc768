"""Presence of the people whom sessions follow."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice

import structlog
from google.protobuf.message import DecodeError
from tertulia.chat.v1 import error_pb2, session_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.presence.v1 import presence_pb2, presence_pb2_grpc

from libs.bus import Bus, Subscription
from libs.bus.port import BusUnavailable
from libs.bus.subjects import presence_subject
from libs.rpc.caller import Caller
from libs.rpc.client import call
from libs.rpc.errors import ResourceExhausted, TertuliaError, guest_read_only
from libs.rpc.status import unavailable
from services.gateway.blocks import Blocks, never_seen
from services.gateway.one_in_flight import OneInFlight
from services.gateway.outbox import Outbox
from services.gateway.stats import Stats

log = structlog.get_logger()

MAX_FOLLOWED = 1_000  # by one session, as the protos say
USERS_AT_ONCE = 1_000  # as the internal GetPresenceRequest allows
_SWEEP_SECONDS = 1.0
_RETRY_SECONDS = 0.5


class Watcher:
    """Whom one session follows. Its queue gets a notice for each change."""

    __slots__ = ("application_id", "followed", "hidden", "missed", "outbox", "user_id")

    def __init__(self, application_id: str, user_id: str, outbox: Outbox) -> None:
        self.application_id = application_id
        self.user_id = user_id
        """Empty: the application itself."""
        self.outbox = outbox
        self.followed: set[str] = set()
        self.hidden: set[str] = set()
        """Those of them who have blocked the user."""
        self.missed: set[str] = set()
        """Who changed while the session's queue was full, or has blocked the user or no longer does: asked for anew."""


class _Watched:
    """A user whom somebody here follows."""

    __slots__ = ("application_id", "signals", "subscription", "user_id", "watchers")

    def __init__(self, application_id: str, user_id: str) -> None:
        self.application_id = application_id
        self.user_id = user_id
        self.watchers: set[Watcher] = set()
        self.subscription: Subscription | None = None
        self.signals = 0
        """How many were heard: a snapshot that was asked for before the last of them is old."""


class Watches:
    """One subscription per followed user, shared by all who follow."""

    def __init__(
        self, bus: Bus, stub: "presence_pb2_grpc.PresenceServiceAsyncStub", blocks: Blocks, stats: Stats
    ) -> None:
        self._bus = bus
        self._stub = stub
        self._blocks = blocks
        self._stats = stats
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._unwatched: set[_Watched] = set()
        self._subscribing = asyncio.Lock()
        self._refresher: OneInFlight[_Watched] = OneInFlight(self._refresh, batch=USERS_AT_ONCE, waiting=0)
        self._tasks: asyncio.TaskGroup | None = None
        bus.on_disturbance(lambda: self._refresher.add_all(self._watched.values()))

    async def follow(self, watcher: Watcher, user_ids: Sequence[str]) -> None:
        """Tell `watcher` how these users are, and from then on every change.

        Raises:
            ResourceExhausted: LIMIT_REACHED: it would follow more than `MAX_FOLLOWED`; nothing was changed.
            TertuliaError: presence, channel or the bus does not answer; it follows none of them.
        """
        new = [user_id for user_id in dict.fromkeys(user_ids) if user_id not in watcher.followed]
        if len(watcher.followed) + len(new) > MAX_FOLLOWED:
            raise ResourceExhausted(
                f"a session follows at most {MAX_FOLLOWED} users; stop following others first",
                error_pb2.ERROR_REASON_LIMIT_REACHED,
            )
        watched = [self._watch(watcher, user_id) for user_id in dict.fromkeys(user_ids)]
        try:
            await self._subscribe(watched)
            for some in _chunks(watched):
                await self._look_for_blocks(watcher, [one.user_id for one in some])
                await self._tell(some, [watcher])
        except TertuliaError:
            self.unfollow(watcher, new)
            raise

    def unfollow(self, watcher: Watcher, user_ids: Iterable[str]) -> None:
        """Tell it no more of them. Those whom it does not follow are passed over."""
        for user_id in user_ids:
            if user_id not in watcher.followed:
                continue
            watcher.followed.discard(user_id)
            watcher.hidden.discard(user_id)
            watched = self._watched[watcher.application_id, user_id]
            watched.watchers.discard(watcher)
            if not watched.watchers:
                self._unwatched.add(watched)

    def leave(self, watcher: Watcher) -> None:
        """Its session has ended."""
        self.unfollow(watcher, list(watcher.followed))

    async def run(self) -> None:
        """Work, for ever."""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._refresher.run())
            while True:
                unwatched = self._unwatched.copy()
                await asyncio.sleep(_SWEEP_SECONDS)
                for watched in unwatched:
                    if watched in self._unwatched:
                        await self._drop(watched)

    async def get(self, caller: Caller, user_ids: Sequence[str]) -> Sequence[session_pb2.Presence]:
        """How up to `USERS_AT_ONCE` users are to the caller, in the order of the ids.

        Raises:
            PermissionDenied: GUEST_READ_ONLY. The application, whose user is empty too, is hidden from nobody.
            TertuliaError: presence or channel does not answer.
        """
        if caller.guest:
            raise guest_read_only()
        hidden = await self._blocks.hidden_from(caller.application_id, caller.user_id, set(user_ids))
        presences = await self._get(caller.application_id, user_ids)
        return [never_seen(one.user_id) if one.user_id in hidden else one for one in presences]

    async def _get(self, application_id: str, user_ids: Sequence[str]) -> Sequence[session_pb2.Presence]:
        request = presence_pb2.GetPresenceRequest(application_id=application_id, user_ids=user_ids)
        response = await call(self._stub.GetPresence, request)
        return response.presences

    async def _look_for_blocks(self, watcher: Watcher, user_ids: Collection[str]) -> None:
        hidden = await self._blocks.hidden_from(watcher.application_id, watcher.user_id, user_ids)
        watcher.hidden = (watcher.hidden.difference(user_ids) | hidden) & watcher.followed

    def _watch(self, watcher: Watcher, user_id: str) -> _Watched:
        key = (watcher.application_id, user_id)
        watched = self._watched.get(key)
        if watched is None:
            watched = self._watched[key] = _Watched(*key)
        if watcher.user_id and user_id not in watcher.followed:
            watcher.hidden.add(user_id)  # until it is known that they have not blocked the watcher's user
        watched.watchers.add(watcher)
        watcher.followed.add(user_id)
        self._unwatched.discard(watched)
        return watched

    async def _subscribe(self, watched: Iterable[_Watched]) -> None:
        async with self._subscribing:  # whoever comes second must not pass before the subscription is in force
            new = [one for one in watched if one.subscription is None]
            try:
                for one in new:
                    subject = presence_subject(one.application_id, one.user_id)
                    one.subscription = await self._bus.subscribe(subject, self._on_signal(one))
                if new:
                    await self._bus.flush()
            except BusUnavailable:
                raise unavailable("the bus") from None

    async def _tell(self, watched: Sequence[_Watched], watchers: Sequence[Watcher] | None) -> None:
        """Ask how they are and tell it to `watchers`, or to all who follow them."""
        if not watched:
            return
        signals = [one.signals for one in watched]
        presences = await self._get(watched[0].application_id, [one.user_id for one in watched])
        for one, before, presence in zip(watched, signals, presences, strict=True):
            if one.signals == before:
                frame = _frame(presence)
                for watcher in list(one.watchers) if watchers is None else watchers:
                    if one.user_id in watcher.hidden:
                        watcher.outbox.push(_frame(never_seen(one.user_id)))
                    elif one.user_id in watcher.followed:
                        watcher.outbox.push(frame)

    async def _refresh(self, watched: list[_Watched]) -> None:
        """Changes may have been missed."""
        by_application: dict[str, list[_Watched]] = {}
        for one in watched:
            by_application.setdefault(one.application_id, []).append(one)
        for application_id, some in by_application.items():
            user_ids = {one.user_id for one in some}
            try:
                for watcher in {watcher for one in some for watcher in one.watchers}:
                    await self._look_for_blocks(watcher, watcher.followed & user_ids)
                await self._tell(some, None)
            except TertuliaError as error:
                log.warning("presence_not_refreshed", application_id=application_id, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
                self._refresher.add_all(one for one in some if one.watchers)

    def _on_signal(self, watched: _Watched) -> Callable[[bytes], None]:
        def on_signal(payload: bytes) -> None:
            try:
                signal = signal_pb2.PresenceSignal.FromString(payload)
            except DecodeError:
                self._stats.bad_signals += 1
                return
            if signal.HasField("presence"):
                self._on_presence(watched, signal.presence)
            for watcher in watched.watchers:
                if watcher.user_id and watcher.user_id == signal.block_changed_user_id:
                    self._missed(watcher, watched.user_id)

        return on_signal

    def _on_presence(self, watched: _Watched, presence: session_pb2.Presence) -> None:
        watched.signals += 1
        frame = _frame(presence)
        for watcher in watched.watchers:
            if watched.user_id in watcher.hidden:
                continue  # it has been told that they are away, and so they stay
            if watcher.outbox.full:
                self._missed(watcher, watched.user_id)
            else:
                watcher.outbox.push(frame)

    def _missed(self, watcher: Watcher, user_id: str) -> None:
        if not watcher.missed and self._tasks is not None:
            self._tasks.create_task(self._tell_missed(watcher))
        watcher.missed.add(user_id)

    async def _tell_missed(self, watcher: Watcher) -> None:
        await watcher.outbox.room()
        missed, watcher.missed = watcher.missed & watcher.followed, set()
        try:
            await self.follow(watcher, list(missed))
        except TertuliaError:
            self._refresher.add_all(
                self._watched[watcher.application_id, user_id] for user_id in missed & watcher.followed
            )

    async def _drop(self, watched: _Watched) -> None:
        self._unwatched.discard(watched)
        self._watched.pop((watched.application_id, watched.user_id), None)
        if watched.subscription is not None:
            await watched.subscription.cancel()


def _frame(presence: session_pb2.Presence) -> bytes:
    return session_pb2.ServerFrame(notices=[session_pb2.Notice(presence=presence)]).SerializeToString()


def _chunks(watched: Sequence[_Watched]) -> Iterable[list[_Watched]]:
    iterator = iter(watched)
    while some := list(islice(iterator, USERS_AT_ONCE)):
        yield some
