"""Who may see a channel (I7)."""

from dataclasses import dataclass

from libs.directory.channels import Channel
from libs.directory.directory import Directory
from libs.directory.keys import ChannelKey, MemberKey
from libs.directory.members import Member
from libs.rpc.caller import Caller
from libs.rpc.errors import channel_not_found
from services.channel.rules import is_member


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

    async def standing(self, application_id: str, channel_id: str, user_id: str, *, server: bool = False) -> Standing:
        """What a user, or with `server` the application, is in a channel.

        Raises:
            NotFound: CHANNEL_NOT_FOUND: there is none, or the user is no member and it is not the application that asks.
        """
        [channel] = await self._directory.channels.get([ChannelKey(application_id, channel_id)])
        if channel is None:
            raise channel_not_found(channel_id)
        member = await self.member(channel, user_id) if user_id else None
        if member is None and not server:
            raise channel_not_found(channel_id)
        return Standing(channel, member)

    async def of_caller(self, caller: Caller, channel_id: str) -> Standing:
        """The same for the caller of a public method."""
        return await self.standing(caller.application_id, channel_id, caller.user_id, server=caller.server)

    async def member(self, channel: Channel, user_id: str) -> Member | None:
        """The user's row if they are a member of the channel as it was just read."""
        [member] = await self._directory.members.get([MemberKey(*channel.key, user_id)])
        return member if is_member(channel, member) else None
