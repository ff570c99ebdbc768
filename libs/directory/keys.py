"""The names of users, channels and members. Everything belongs to an application, so every name begins with one."""

from typing import NamedTuple


class UserKey(NamedTuple):
    application_id: str
    user_id: str


class ChannelKey(NamedTuple):
    application_id: str
    channel_id: str


class MemberKey(NamedTuple):
    """A user in a channel, whether a member or not."""

    application_id: str
    channel_id: str
    user_id: str

    @property
    def channel(self) -> ChannelKey:
        return ChannelKey(self.application_id, self.channel_id)
