"""Which logs a session reads and how far: its snapshot, its catching up, the channels that it joins and leaves."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass

import structlog
from tertulia.chat.v1 import channel_pb2, event_pb2, session_pb2
from tertulia_internal.channel.v1 import access_pb2

from libs.rpc.caller import Caller
from libs.rpc.errors import NotFound, PermissionDenied, TertuliaError
from libs.rpc.status import unavailable
from services.gateway.audiences import Seat
from services.gateway.backoff import Backoff
from services.gateway.feed import Feed
from services.gateway.grants import Grant, Grants, member_grant
from services.gateway.hub import Hub
from services.gateway.inboxes import Inboxes
from services.gateway.log_client import LogClient, LogName
from services.gateway.outbox import Outbox
from services.gateway.readers import ChannelReader, InboxReader, LogReader
from services.gateway.stats import Stats

log = structlog.get_logger()

_RENEWALS = 5  # of one membership in a row, before the channel service is taken to be ill
_LEFT = 8_000  # logs whose last delivered seq is remembered after they were left; as many as a hello may name

_CAUGHT_UP = session_pb2.Notice(caught_up=session_pb2.CaughtUp())


@dataclass(frozen=True, slots=True)
class Sources:
    """What sessions read from; one for all of them."""

    hub: Hub
    logs: LogClient
    inboxes: Inboxes
    grants: Grants
    max_delta_events: int
    opening: asyncio.Semaphore
    """How many sessions are being opened at a time."""
    stats: Stats


class SessionLogs:
    """The readers of one user session: `open`, then `run`, and at the end `close`.

    A reader is attached to its feed, or due: on its way there by reading the log. It is attached only if it lacks nothing
    and its membership is known under the newest policy that the feed has passed on (I3, I7). Feeds only note here what is
    due; `run` does it.
    """

    def __init__(self, caller: Caller, outbox: Outbox, sources: Sources, seat: Seat | None = None) -> None:
        self._caller = caller
        self._outbox = outbox
        self._sources = sources
        self._seat = seat
        """Where readers can read together with those of other sessions."""
        self._alone: set[LogReader] = set()
        """Those who could and do not."""
        self._inbox: InboxReader | None = None
        self._channels: dict[str, ChannelReader] = {}
        self._due: dict[LogReader | str, int] = {}
        """Readers that are behind, and ids of channels to join, these with the seq of the joining (0: not known)."""
        self._left: dict[bytes, int] = {}
        """How far the client has the logs that are not read here now: what lies between that and a joining is a gap."""
        self._wake = asyncio.Event()
        self.caught_up = asyncio.Event()
        """Everything that the client lacked at its hello is queued."""

    def grant(self, channel_id: str) -> Grant | None:
        """The user's membership in a channel, if the session knows of one."""
        reader = self._channels.get(channel_id)
        return reader.grant if reader else None

    async def open(self, session_id: str, positions: Iterable[session_pb2.Position]) -> None:
        """Make a reader of each of the user's logs, and queue the welcome and a notice per channel.

        Raises:
            TertuliaError: a service that is needed does not answer.
        """
        self._left = {position.log_id: position.seq for position in positions}
        # subscribe, then snapshot: a join between the two is an entry after the head and will be applied
        feed = await self._started(await self._sources.inboxes.log_id(self._caller))
        position = _position(self._left.pop(feed.log.log_id, None), feed.cursor)
        self._inbox = InboxReader(self, self._outbox, feed, self._caller.user_id, position, feed.cursor)
        welcome = session_pb2.Welcome(session_id=session_id, user_id=self._caller.user_id, inbox_log_id=feed.log.log_id)
        self._tell(session_pb2.Notice(welcome=welcome))
        async with aclosing(self._sources.inboxes.open(self._caller)) as parts:
            while await self._open_part(parts):
                await self._outbox.room()  # not within `opening`: a client that reads slowly delays nobody else
        self._skip_old_entries(self._inbox)

    async def _open_part(self, parts: AsyncIterator[access_pb2.OpenInboxResponse]) -> bool:
        """False: there was none left."""
        async with self._sources.opening:
            part = await anext(parts, None)
            if part is None:
                return False
            readers = [
                self._read_channel(
                    mine,
                    self._acquire(mine.channel.log_id),
                    _position(self._left.pop(mine.channel.log_id, None), mine.head_seq),
                )
                for mine in part.channels
            ]
            await self._sources.hub.started([reader.feed for reader in readers])
        for mine, reader in zip(part.channels, readers, strict=True):
            self._sources.hub.expect(reader.feed, mine.head_seq)
            self._tell(session_pb2.Notice(channel=mine))
        return True

    async def run(self) -> None:
        """Queue what the client lacks, as fast as it reads, and say so; then keep it so, for ever.

        Raises:
            TertuliaError: a service does not answer before it has caught up. Afterwards whatever fails is tried again.
        """
        for reader in self._readers():
            if not reader.attach():
                self._note(reader)
        while self._due:
            await self._do_next()
        self._tell(_CAUGHT_UP)
        self.caught_up.set()
        wait = Backoff()
        while True:
            await self._wake.wait()
            self._wake.clear()
            failed = await self._do_what_is_due()
            if not failed:
                wait = Backoff()
                continue
            await wait()
            for due, joined_seq in failed.items():
                self._note(due, joined_seq)

    def close(self) -> None:
        """Leave all feeds. `run` has been cancelled."""
        for reader in self._readers():
            self._leave(reader)
        self._channels.clear()
        self._alone.clear()
        self._due.clear()

    def share(self) -> None:
        """Nothing waits to be sent to the client: give readers the live end of their logs together with others, if any."""
        if self._seat is not None:
            for reader in [reader for reader in self._alone if reader.feed.holders > 1 and reader.feed.has(reader)]:
                self._alone.discard(reader)
                self._seat.take(reader)

    def stand_alone(self) -> None:
        """The client does not keep up with others: what is live waits in the session's queue again, too."""
        for reader in self._channels.values():
            if reader.audience is not None:
                reader.detach()
                self._alone.add(reader)
                if not reader.attach():
                    self._note(reader)

    # --- what feeds tell ----------------------------------------------------------------------------------------------

    def removed(self, reader: ChannelReader, seq: int, *, is_back: bool) -> None:
        """The user's membership ended with the event `seq`, which is queued. `is_back`: it is known to have begun again."""
        self._leave(reader)
        self._channels.pop(reader.grant.channel_id, None)
        self._left[reader.feed.log.log_id] = seq
        if len(self._left) > _LEFT:
            del self._left[next(iter(self._left))]
        if is_back:
            self._note(reader.grant.channel_id, reader.rejoined_seq)

    def joined(self, entry: event_pb2.ChannelJoined) -> None:
        """The inbox says that the user is a member of a channel since an event of its log."""
        reader = self._channels.get(entry.channel_id)
        if reader is not None:
            reader.rejoined_seq = max(reader.rejoined_seq, entry.joined_seq)
        else:
            self._note(entry.channel_id, entry.joined_seq)

    def overflowed(self) -> None:
        """The session's queue is full: what waits in it stays, the rest will be read from the logs."""
        self._sources.stats.overflows += 1
        for reader in self._readers():
            reader.detach()
            self.late(reader)

    def late(self, reader: LogReader) -> None:
        """A reader is no longer attached and has to catch up."""
        if self._seat is not None and isinstance(reader, ChannelReader):
            self._alone.add(reader)
        self._note(reader)

    def _note(self, due: LogReader | str, joined_seq: int = 0) -> None:
        self._due[due] = max(joined_seq, self._due.get(due, 0))
        self._wake.set()

    # --- what `run` does ----------------------------------------------------------------------------------------------

    async def _do_what_is_due(self) -> dict[LogReader | str, int]:
        """One after the other, whatever fails; that is returned."""
        failed: dict[LogReader | str, int] = {}
        while self._due:
            due, joined_seq = next(iter(self._due.items()))
            try:
                await self._do_next()
            except TertuliaError as error:
                log.warning("session_behind", error=str(error))
                failed[due] = joined_seq
        return failed

    async def _do_next(self) -> None:
        due = next(iter(self._due))
        joined_seq = self._due.pop(due)
        if isinstance(due, LogReader):
            await self._catch_up(due)
        else:
            await self._join(due, joined_seq)

    async def _join(self, channel_id: str, joined_seq: int) -> None:
        if reader := self._channels.get(channel_id):  # it has yet to read of the removal that lies between
            reader.rejoined_seq = max(reader.rejoined_seq, joined_seq)
            return
        mine = await self._sources.inboxes.channel(self._caller, channel_id)
        if mine is None:
            return  # removed meanwhile; another entry tells if the user was added again
        feed = await self._started(mine.channel.log_id)
        self._sources.hub.expect(feed, mine.head_seq)
        begin = min(joined_seq - 1, mine.head_seq) if joined_seq else mine.head_seq
        held = min(self._left.pop(mine.channel.log_id, begin), begin)
        reader = self._read_channel(mine, feed, held)
        self._tell(session_pb2.Notice(channel=mine))
        if held < begin:  # what was said since the user was removed, earlier memberships included
            self._sources.stats.gaps += 1
            reader.skip(begin)
        self.late(reader)

    async def _catch_up(self, reader: LogReader) -> None:
        self._sources.stats.catch_ups += 1
        feed = reader.feed
        reader.detach()  # it may have fallen behind, caught up, and been noted, all in one
        renewals = 0
        with feed.recording():
            while not reader.closed:
                await self._outbox.room()
                if reader.attach():
                    return
                if reader.position < feed.cursor:
                    await self._read_on(reader)
                else:
                    renewals += 1
                    await self._renew(reader, renewals)

    async def _read_on(self, reader: LogReader) -> None:
        cursor = reader.feed.cursor
        if isinstance(reader, ChannelReader) and cursor - reader.position > self._sources.max_delta_events:
            self._sources.stats.gaps += 1
            reader.skip(cursor)
            return
        segments = await self._sources.logs.segments(reader.feed.log, reader.position + 1, cursor)
        if not segments:
            raise unavailable("the log")
        for segment in segments:
            if segment.to_seq > reader.position and not reader.closed:
                reader.take(segment)

    async def _renew(self, reader: LogReader, times: int) -> None:
        """The feed has passed on a newer policy than the membership is known under, in a range that was not read."""
        if times > _RENEWALS or not isinstance(reader, ChannelReader):
            raise unavailable("the channel service")
        try:
            await self._sources.grants.renew(reader.grant)
        except (NotFound, PermissionDenied):  # the latter of open channels
            self.removed(reader, reader.position, is_back=False)

    # --- readers ------------------------------------------------------------------------------------------------------

    def _readers(self) -> list[LogReader]:
        inbox: list[LogReader] = [self._inbox] if self._inbox is not None else []
        return inbox + list(self._channels.values())

    def _acquire(self, log_id: bytes) -> Feed:
        return self._sources.hub.acquire(LogName(self._caller.application_id, log_id))

    async def _started(self, log_id: bytes) -> Feed:
        feed = self._acquire(log_id)
        try:
            await self._sources.hub.started([feed])
        except BaseException:  # cancelled, too: what was taken is given back
            self._sources.hub.release(feed)
            raise
        return feed

    def _read_channel(self, mine: channel_pb2.MyChannel, feed: Feed, position: int) -> ChannelReader:
        grant = member_grant(self._caller.application_id, self._caller.user_id, mine)
        reader = self._channels[grant.channel_id] = ChannelReader(self, self._outbox, feed, position, grant)
        if self._seat is not None:
            self._alone.add(reader)
        return reader

    def _leave(self, reader: LogReader) -> None:
        if not reader.closed:
            reader.closed = True
            self._alone.discard(reader)
            reader.detach()
            self._sources.hub.release(reader.feed)

    def _skip_old_entries(self, inbox: InboxReader) -> None:
        """The notices of the channels say more than many old entries do; those after the snapshot are never skipped."""
        if inbox.snapshot_seq - inbox.position > self._sources.max_delta_events:
            self._sources.stats.gaps += 1
            inbox.skip(inbox.snapshot_seq)

    def _tell(self, notice: session_pb2.Notice) -> None:
        self._outbox.push(session_pb2.ServerFrame(notices=[notice]).SerializeToString())


def _position(held: int | None, head_seq: int) -> int:
    """Where a client stands that says it holds a log up to `held`; what is new counts from the head of the snapshot.

    It asked before the snapshot was taken, so it cannot have come further than that (I7: an invented position must not
    carry it past its own removal).
    """
    return head_seq if held is None else max(0, min(held, head_seq))
