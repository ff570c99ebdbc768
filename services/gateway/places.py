"""Which logs a session reads and how far: its snapshot, its catching up, the channels that it joins and leaves."""

import asyncio
from collections.abc import Iterable, Mapping

import structlog
from tertulia.chat.v1 import channel_pb2, event_pb2, session_pb2
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.rpc.caller import Caller
from libs.rpc.client import call
from libs.rpc.errors import NotFound, TertuliaError, channel_not_found
from libs.rpc.status import unavailable
from services.gateway.backoff import Backoff
from services.gateway.cache import ExpiringCache
from services.gateway.grants import Grant, Grants
from services.gateway.hub import Hub
from services.gateway.log_client import LogClient, LogName
from services.gateway.outbox import Outbox
from services.gateway.seats import ChannelSeat, InboxSeat, Seat
from services.gateway.stats import Stats

log = structlog.get_logger()

_INBOX_LOGS = 50_000  # users, about 200 bytes each
_INBOX_LOG_SECONDS = 3_600.0
_NO_CHANNEL = "-"  # asks for the inbox without its channels; were one called so, it would be described in vain
_RENEWALS = 5  # of one membership in a row, before the channel service is taken to be ill


class Sources:
    """What places are made from; one for all sessions."""

    def __init__(
        self,
        hub: Hub,
        logs: LogClient,
        access: "access_pb2_grpc.AccessServiceAsyncStub",
        grants: Grants,
        max_delta_events: int,
        stats: Stats,
    ) -> None:
        self.hub = hub
        self.logs = logs
        self.grants = grants
        self.max_delta_events = max_delta_events
        self.stats = stats
        self._access = access
        self._inbox_logs: ExpiringCache[tuple[str, str], bytes] = ExpiringCache(_INBOX_LOGS)

    async def inbox_log(self, caller: Caller) -> bytes:
        """The log of a user's inbox. It is the same for ever, and asked for once."""
        key = (caller.application_id, caller.user_id)
        log_id = self._inbox_logs.get(key)
        if log_id is None:
            log_id = (await self.inbox(caller, _NO_CHANNEL)).inbox_log_id
            self._inbox_logs.put(key, log_id, _INBOX_LOG_SECONDS)
        return log_id

    async def inbox(self, caller: Caller, channel_id: str = "") -> access_pb2.OpenInboxResponse:
        """As AccessService.OpenInbox."""
        request = access_pb2.OpenInboxRequest(
            application_id=caller.application_id, user_id=caller.user_id, channel_id=channel_id
        )
        return await call(self._access.OpenInbox, request)


class Places:
    """The seats of one user session. Background work runs in `tasks`, the session's own.

    A seat is attached to its feed, or late: on its way there by reading the log. It is attached only if it lacks nothing
    and its membership is known under the newest policy that the feed has passed on (I3, I7).
    """

    def __init__(self, caller: Caller, outbox: Outbox, sources: Sources, tasks: asyncio.TaskGroup) -> None:
        self._caller = caller
        self._outbox = outbox
        self._sources = sources
        self._tasks = tasks
        self._seats: dict[str, ChannelSeat] = {}
        self._inbox: InboxSeat | None = None
        self._late: dict[Seat, None] = {}
        self._catching_up = False
        self._joining: dict[str, int] = {}

    def grant(self, channel_id: str) -> Grant | None:
        """The user's membership in a channel, if the session knows of one."""
        seat = self._seats.get(channel_id)
        return seat.grant if seat else None

    async def open(self, session_id: str, positions: Iterable[session_pb2.Position]) -> None:
        """Take a seat in each of the user's logs, and queue the welcome and a notice per channel.

        Raises:
            TertuliaError: a service that is needed does not answer.
        """
        held = {position.log_id: position.seq for position in positions}
        # subscribe, then snapshot: a join between the two is an entry after the head and will be applied
        self._inbox = await self._take_inbox(held)
        inbox = await self._sources.inbox(self._caller)
        for channel in inbox.channels:
            self._take_seat(channel.channel, _position(held.get(channel.channel.log_id), channel.head_seq))
        await self._sources.hub.started([seat.feed for seat in self._all_seats()])
        welcome = session_pb2.Welcome(
            session_id=session_id, user_id=self._caller.user_id, inbox_log_id=inbox.inbox_log_id
        )
        self._tell(session_pb2.Notice(welcome=welcome))
        for channel in inbox.channels:
            self._tell(session_pb2.Notice(channel=channel))
        self._skip_old_entries(self._inbox)

    async def catch_up(self) -> None:
        """Queue what the client lacks, as fast as it reads, and attach every seat.

        Raises:
            TertuliaError: a service that is needed does not answer.
        """
        for seat in [seat for seat in self._all_seats() if not seat.attach()]:
            await self._catch_up(seat)

    def close(self) -> None:
        """Leave all feeds."""
        for seat in self._all_seats():
            self._leave(seat)
        self._seats.clear()
        self._late.clear()

    def removed(self, seat: ChannelSeat, seq: int) -> None:
        """The user's membership ended with the event `seq`, which is queued."""
        self._leave(seat)
        self._seats.pop(seat.grant.channel_id, None)
        if seat.rejoined_seq > seq:
            self._join(seat.grant.channel_id, seat.rejoined_seq)

    def joined(self, entry: event_pb2.ChannelJoined) -> None:
        """The inbox says that the user is a member of a channel since an event of its log."""
        seat = self._seats.get(entry.channel_id)
        if seat is not None:
            seat.rejoined_seq = max(seat.rejoined_seq, entry.joined_seq)
        else:
            self._join(entry.channel_id, entry.joined_seq)

    def overflowed(self) -> None:
        """The session's queue is full: what waits in it stays, the rest will be read from the logs."""
        self._sources.stats.overflows += 1
        for seat in self._all_seats():
            seat.feed.detach(seat)
            self.late(seat)

    def late(self, seat: Seat) -> None:
        """A seat is no longer attached and has to catch up."""
        self._late[seat] = None
        if not self._catching_up:
            self._catching_up = True
            self._tasks.create_task(self._catch_up_all())

    def _tell(self, notice: session_pb2.Notice) -> None:
        self._outbox.push(session_pb2.ServerFrame(notices=[notice]).SerializeToString())

    def _all_seats(self) -> list[Seat]:
        inbox: list[Seat] = [self._inbox] if self._inbox is not None else []
        return inbox + list(self._seats.values())

    async def _take_inbox(self, held: Mapping[bytes, int]) -> InboxSeat:
        log_id = await self._sources.inbox_log(self._caller)
        feed = self._sources.hub.acquire(LogName(self._caller.application_id, log_id))
        try:
            await self._sources.hub.started([feed])
        except BaseException:  # cancelled, too: what was taken is given back
            self._sources.hub.release(feed)
            raise
        position = _position(held.get(log_id), feed.cursor)
        return InboxSeat(self, self._outbox, feed, self._caller.user_id, position, feed.cursor)

    def _take_seat(self, channel: channel_pb2.Channel, position: int) -> ChannelSeat:
        name = LogName(self._caller.application_id, channel.log_id)
        grant = Grant(name, channel.channel_id, self._caller.user_id, channel.policy_version, channel.member_count)
        seat = ChannelSeat(self, self._outbox, self._sources.hub.acquire(name), position, grant)
        self._seats[channel.channel_id] = seat
        return seat

    def _skip_old_entries(self, inbox: InboxSeat) -> None:
        """The notices of the channels say more than many old entries do; those after the snapshot are never skipped."""
        if inbox.snapshot_seq - inbox.position > self._sources.max_delta_events:
            self._sources.stats.gaps += 1
            inbox.skip(inbox.snapshot_seq)

    def _leave(self, seat: Seat) -> None:
        if not seat.closed:
            seat.closed = True
            seat.feed.detach(seat)
            self._sources.hub.release(seat.feed)
            self._late.pop(seat, None)

    def _join(self, channel_id: str, joined_seq: int) -> None:
        if channel_id in self._joining:
            self._joining[channel_id] = max(self._joining[channel_id], joined_seq)
        else:
            self._joining[channel_id] = joined_seq
            self._tasks.create_task(self._join_patiently(channel_id))

    async def _join_patiently(self, channel_id: str) -> None:
        wait = Backoff()
        while True:
            joined_seq = self._joining[channel_id]
            try:
                await self._begin(channel_id, joined_seq)
            except NotFound:
                if self._joining[channel_id] > joined_seq:
                    continue  # removed, and added again while this was asked
            except TertuliaError as error:
                log.warning("join_delayed", error=str(error))
                await wait()
                continue
            break
        del self._joining[channel_id]

    async def _begin(self, channel_id: str, joined_seq: int) -> None:
        inbox = await self._sources.inbox(self._caller, channel_id)
        found = [channel for channel in inbox.channels if channel.channel.channel_id == channel_id]
        if not found:
            raise channel_not_found(channel_id)
        if channel_id in self._seats:
            return
        seat = self._take_seat(found[0].channel, min(joined_seq - 1, found[0].head_seq))
        try:
            await self._sources.hub.started([seat.feed])
        except TertuliaError:
            self._leave(seat)
            del self._seats[channel_id]
            raise
        self._tell(session_pb2.Notice(channel=found[0]))
        self.late(seat)

    async def _catch_up_all(self) -> None:
        """Bring the late seats up to their feeds, one by one, whatever fails."""
        wait = Backoff()
        while self._late:
            seat = next(iter(self._late))
            try:
                await self._catch_up(seat)
            except TertuliaError as error:
                log.warning("catching_up_delayed", error=str(error))
                self._late.pop(seat, None)
                if not seat.closed:
                    self._late[seat] = None  # behind the others
                await wait()
        self._catching_up = False

    async def _catch_up(self, seat: Seat) -> None:
        self._sources.stats.catch_ups += 1
        feed = seat.feed
        renewals = 0
        with feed.recording():
            while not seat.closed:
                await self._outbox.room()
                if seat.attach():
                    self._late.pop(seat, None)
                elif seat.position < feed.cursor:
                    await self._read_on(seat)
                    continue
                elif isinstance(seat, ChannelSeat):
                    renewals += 1
                    await self._renew(seat, renewals)
                    continue
                return

    async def _read_on(self, seat: Seat) -> None:
        if isinstance(seat, ChannelSeat) and seat.feed.cursor - seat.position > self._sources.max_delta_events:
            self._sources.stats.gaps += 1
            seat.skip(seat.feed.cursor)
            return
        for segment in await self._sources.logs.segments(seat.feed.log, seat.position + 1, seat.feed.cursor):
            if segment.to_seq > seat.position and not seat.closed:
                seat.take(segment)

    async def _renew(self, seat: ChannelSeat, times: int) -> None:
        """The feed has passed on a newer policy than the membership is known under, in a range that was not read."""
        if times > _RENEWALS:
            raise unavailable("the channel service")
        try:
            await self._sources.grants.renew(seat.grant)
        except NotFound:
            self.removed(seat, seat.position)


def _position(held: int | None, head_seq: int) -> int:
    """Where a client stands that says it holds a log up to `held`; what is new counts from the head of the snapshot.

    It asked before the snapshot was taken, so it cannot have come further than that (I7: an invented position must not
    carry it past its own removal).
    """
    return head_seq if held is None else max(0, min(held, head_seq))
