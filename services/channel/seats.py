"""A user's channels as they stand: each with the member's row, the head and the read position, all true together."""

from collections.abc import Collection
from dataclasses import dataclass

from tertulia.chat.v1 import channel_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.directory.channels import Channel
from libs.directory.directory import Directory
from libs.directory.keys import ChannelKey, MemberKey, UserKey
from libs.directory.members import Member
from libs.directory.positions import Position
from libs.rpc.status import unavailable
from services.channel.logs import Logs
from services.channel.public import permissions_of, to_channel
from services.channel.rules import is_member

_ROUNDS = 10  # each takes up again only the channels whose members changed during the last one


@dataclass(frozen=True, slots=True)
class Seat:
    """A user's place in one channel."""

    channel: Channel
    member: Member
    head: log_pb2.Head
    position: Position

    @property
    def unread_count(self) -> int:
        return self.head.message_count - self.position.read_message_count

    def to_my_channel(self, *, with_last_message: bool = True) -> channel_pb2.MyChannel:
        mine = channel_pb2.MyChannel(
            channel=to_channel(self.channel),
            head_seq=self.head.seq,
            head_message_count=self.head.message_count,
            read_seq=self.position.read_seq,
            read_message_count=self.position.read_message_count,
            unread_count=self.unread_count,
            peer_user_id=next((u for u in self.channel.direct_user_ids if u != self.member.key.user_id), ""),
            permissions=permissions_of(self.member),
        )
        if with_last_message and self.head.last_message:
            mine.last_message.MergeFromString(self.head.last_message)
        return mine


class Seats:
    """Reads seats."""

    def __init__(self, directory: Directory, logs: Logs) -> None:
        self._directory = directory
        self._logs = logs

    async def of_user(
        self, user: UserKey, channel_ids: Collection[str] | None = None, *, with_last_message: bool
    ) -> list[Seat]:
        """The user's seats, the latest activity first; with `channel_ids` only those of these channels.

        Heads are read after memberships, and a membership that may have ended before its head was read is read again: so
        whoever follows a log from `head` on behalf of the user begins before their removal, if there is one (I7).

        Raises:
            Unavailable: UNAVAILABLE: message_store does not answer, or the user's channels change faster than they are read.
        """
        seats: list[Seat] = []
        unsure: Collection[str] | None = channel_ids
        for _ in range(_ROUNDS):
            round_seats = await self._round(user, unsure, with_last_message=with_last_message)
            unsure = [
                seat.channel.key.channel_id for seat in round_seats if seat.head.policy_version > seat.channel.version
            ]
            seats += [seat for seat in round_seats if seat.head.policy_version <= seat.channel.version]
            if not unsure:
                return sorted(seats, key=activity, reverse=True)
        raise unavailable("the list of channels")

    async def _round(
        self, user: UserKey, channel_ids: Collection[str] | None, *, with_last_message: bool
    ) -> list[Seat]:
        if channel_ids is None:
            channel_ids = [member.key.channel_id for member in await self._directory.members.of_user(user)]
        keys = [ChannelKey(user.application_id, channel_id) for channel_id in channel_ids]
        channels = await self._directory.channels.get(keys)
        rows = await self._directory.members.get([MemberKey(*key, user.user_id) for key in keys])
        mine = [
            (channel, member)
            for channel, member in zip(channels, rows, strict=True)
            if channel is not None and member is not None and is_member(channel, member)
        ]
        # positions before heads: none is above its head
        positions = await self._directory.positions.get([member.key for _, member in mine])
        heads = await self._logs.heads(
            [log_pb2.LogKey(application_id=user.application_id, log_id=channel.log_id) for channel, _ in mine],
            with_last_message=with_last_message,
        )
        return [
            Seat(channel, member, head, position)
            for (channel, member), head, position in zip(mine, heads, positions, strict=True)
        ]


def activity(seat: Seat) -> tuple[int, str]:
    """What lists of channels are sorted by: the time of the newest event, then the id."""
    return seat.head.time_ms, seat.channel.key.channel_id
