"""Who may see a channel (I7)."""

from dataclasses import dataclass

from tertulia.chat.v1 import error_pb2

from libs.directory.channels import Channel, ChannelKind
from libs.directory.directory import Directory
from libs.directory.keys import ChannelKey, MemberKey
from libs.directory.members import Member
from libs.rpc.caller import Caller
from libs.rpc.errors import PermissionDenied, channel_not_found
from services.channel.rules import as_changed, is_member


@dataclass(frozen=True, slots=True)
class Standing:
    """A channel, and what the caller is in it."""

    channel: Channel
    member: Member | None
    """None for the application itself, and for a server key acting for somebody who is no member."""


class Access:
    """Two point reads: the channel, then the member (in this order, see `rules.is_member`)."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def standing(self, caller: Caller, channel_id: str) -> Standing:
        """What the caller is in a channel.

        Raises:
            NotFound: CHANNEL_NOT_FOUND: there is none, or the caller is no member and shows no server key.
            PermissionDenied: NOT_JOINED: the same of a channel that is open to everybody.
        """
        channel = await self.existing(caller.application_id, channel_id)
        return Standing(channel, await self.member_of(caller, channel))

    async def member_of(self, caller: Caller, channel: Channel) -> Member | None:
        """The same in a channel as it was just read."""
        member = await self.member(channel, caller.user_id)
        if member is None and not caller.server:
            if channel.kind is ChannelKind.OPEN and not channel.deleted:
                raise PermissionDenied(
                    "the channel is open, but you have not joined it; JoinChannel first",
                    error_pb2.ERROR_REASON_NOT_JOINED,
                )
            raise channel_not_found(channel.key.channel_id)
        return member

    async def visible(self, caller: Caller, channel_id: str) -> Channel:
        """The channel, for its members, for server keys, and for everybody if it is open.

        Raises:
            NotFound: CHANNEL_NOT_FOUND.
        """
        channel = await self.existing(caller.application_id, channel_id)
        if channel.kind is not ChannelKind.OPEN:
            await self.member_of(caller, channel)
        return channel

    async def open(self, application_id: str, channel_id: str) -> Channel:
        """The channel, for guests.

        Raises:
            NotFound: CHANNEL_NOT_FOUND: there is none, or it is not open to everybody.
        """
        channel = await self.existing(application_id, channel_id)
        if channel.kind is not ChannelKind.OPEN:
            raise channel_not_found(channel_id)
        return channel

    async def existing(self, application_id: str, channel_id: str) -> Channel:
        """The channel, whoever asks.

        Raises:
            NotFound: CHANNEL_NOT_FOUND: there is none, or it was deleted.
        """
        [channel] = await self._directory.channels.get([ChannelKey(application_id, channel_id)])
        if channel is None or channel.deleted:
            raise channel_not_found(channel_id)
        return channel

    async def member(self, channel: Channel, user_id: str) -> Member | None:
        """The user's row if they are a member of the channel as it was just read."""
        if not user_id:
            return None
        [member] = await self._directory.members.get([MemberKey(*channel.key, user_id)])
        return as_changed(channel, member) if member is not None and is_member(channel, member) else None
