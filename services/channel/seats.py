"""A user's channels as they stand: each with the member's row, the head and the positions, all true together."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from tertulia.chat.v1 import channel_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.directory.channels import Channel
from libs.directory.directory import Directory
from libs.directory.keys import ChannelKey, MemberKey, UserKey
from libs.directory.members import Member
from libs.directory.positions import Position
from libs.directory.preferences import Preferences
from libs.rpc.status import unavailable
from services.channel.blocks import Blocks
from services.channel.logs import Logs
from services.channel.public import to_channel, to_permissions, to_preferences, to_role
from services.channel.rules import as_changed, is_member, permissions_of

_ROUNDS = 10  # each takes up again only the channels whose members changed during the last one


@dataclass(frozen=True, slots=True)
class Seat:
    """A user's place in one channel."""

    channel: Channel
    member: Member
    head: log_pb2.Head
    position: Position
    preferences: Preferences
    mention_count: int | None = None
    """None: the seat was read without its details, which are the mention count and the last message."""

    @property
    def channel_id(self) -> str:
        return self.channel.key.channel_id

    @property
    def unread_count(self) -> int:
        return self.head.message_count - self.position.read_message_count

    @property
    def hidden(self) -> bool:
        """Whether lists pass it over: until the next message."""
        return self.preferences.hidden and self.head.message_count <= self.preferences.hidden_message_count

    @property
    def order(self) -> tuple[bool, int, str]:
        """What lists are sorted by, the highest first: whether it is pinned, the time of the newest event, the id."""
        return self.preferences.pinned, self.head.time_ms, self.channel_id

    def to_my_channel(self, *, with_last_message: bool = True) -> channel_pb2.MyChannel:
        mine = channel_pb2.MyChannel(
            channel=to_channel(self.channel),
            head_seq=self.head.seq,
            head_message_count=self.head.message_count,
            read_seq=self.position.read_seq,
            read_message_count=self.position.read_message_count,
            unread_count=self.unread_count,
            peer_user_id=next((u for u in self.channel.direct_user_ids if u != self.member.key.user_id), ""),
            role=to_role(self.member.role),
            permissions=to_permissions(permissions_of(self.channel, self.member)),
            mention_count=self.mention_count,
            delivered_seq=self.position.delivered_seq,
            preferences=to_preferences(self.preferences),
        )
        if with_last_message and self.head.last_message:
            mine.last_message.MergeFromString(self.head.last_message)
        return mine


class Seats:
    """Reads seats."""

    def __init__(self, directory: Directory, logs: Logs, blocks: Blocks) -> None:
        self._directory = directory
        self._logs = logs
        self._blocks = blocks

    async def of_user(self, user: UserKey, channel_ids: Collection[str] | None = None, *, detailed: int) -> list[Seat]:
        """The user's seats in their order, the first `detailed` of them with details; with `channel_ids` only those of these
        channels.

        Heads are read after memberships, and a membership that may have ended before its head was read is read again: so
        whoever follows a log from `head` on behalf of the user begins before their removal, if there is one (I7).

        Raises:
            Unavailable: UNAVAILABLE: message_store does not answer, or the user's channels change faster than they are read.
        """
        seats = await self._read(user, channel_ids, detailed)
        plain = [seat.channel_id for seat in seats[:detailed] if seat.mention_count is None]
        if plain:  # more channels than are wanted with details: only now it is known which come first
            again = {seat.channel_id: seat for seat in await self._read(user, plain, detailed)}
            seats = [
                again.get(seat.channel_id, seat)
                for seat in seats
                if seat.channel_id in again or seat.channel_id not in plain
            ]
        return seats

    async def _read(self, user: UserKey, channel_ids: Collection[str] | None, detailed: int) -> list[Seat]:
        seats: list[Seat] = []
        unsure: Collection[str] | None = channel_ids
        for _ in range(_ROUNDS):
            round_seats = await self._round(user, unsure, detailed)
            unsure = [seat.channel_id for seat in round_seats if seat.head.policy_version > seat.channel.version]
            seats += [seat for seat in round_seats if seat.head.policy_version <= seat.channel.version]
            if not unsure:
                return sorted(seats, key=lambda seat: seat.order, reverse=True)
        raise unavailable("the list of channels")

    async def _round(self, user: UserKey, channel_ids: Collection[str] | None, detailed: int) -> list[Seat]:
        mine = await self._memberships(user, channel_ids)
        keys = [member.key for _, member in mine]
        preferences = await self._preferences(user, keys)
        # positions before heads: none is above its head
        positions = await self._directory.positions.get(keys)
        with_details = len(mine) <= detailed
        heads = await self._logs.heads(
            [log_pb2.LogKey(application_id=user.application_id, log_id=channel.log_id) for channel, _ in mine],
            with_last_message=with_details,
        )
        seats = [
            Seat(channel, member, head, position, preference)
            for (channel, member), head, position, preference in zip(mine, heads, positions, preferences, strict=True)
        ]
        return await self._with_mentions(user, seats) if with_details else seats

    async def _memberships(self, user: UserKey, channel_ids: Collection[str] | None) -> list[tuple[Channel, Member]]:
        members = self._directory.members
        if channel_ids is None:
            keys = [member.key.channel for member in await members.of_user(user)]
            channels = await self._directory.channels.get(keys)
            found = {member.key.channel: member for member in await members.of_user(user)}  # again: after the channels
            rows: Sequence[Member | None] = [found.get(key) for key in keys]
        else:
            keys = [ChannelKey(user.application_id, channel_id) for channel_id in channel_ids]
            channels = await self._directory.channels.get(keys)
            rows = await members.get([MemberKey(*key, user.user_id) for key in keys])
        return [
            (channel, as_changed(channel, member))
            for channel, member in zip(channels, rows, strict=True)
            if channel is not None and member is not None and is_member(channel, member)
        ]

    async def _preferences(self, user: UserKey, keys: Sequence[MemberKey]) -> Sequence[Preferences]:
        if len(keys) == 1:
            return await self._directory.preferences.get(keys)
        found = {preferences.key: preferences for preferences in await self._directory.preferences.of_user(user)}
        return [found.get(key) or Preferences(key) for key in keys]

    async def _with_mentions(self, user: UserKey, seats: Sequence[Seat]) -> list[Seat]:
        unread = [seat for seat in seats if seat.unread_count > 0]
        blocked = await self._blocks.all_of(user) if unread else []
        queries = [
            log_pb2.MentionQuery(
                log=log_pb2.LogKey(application_id=user.application_id, log_id=seat.channel.log_id),
                user_id=user.user_id,
                after_seq=seat.position.read_seq,
                except_sender_user_ids=blocked,
            )
            for seat in unread
        ]
        counts = dict(zip((seat.channel_id for seat in unread), await self._logs.mention_counts(queries), strict=True))
        return [replace(seat, mention_count=counts.get(seat.channel_id, 0)) for seat in seats]
