"""What a change writes beside the channel's row, once its event is on the log. All of it is merged by version or by seq, so
it may be written again, in whatever order."""

from dataclasses import replace

from tertulia_internal.message_store.v1 import log_pb2

from libs.directory.changes import Change, ChangeKind
from libs.directory.channels import Channel, ChannelKind
from libs.directory.directory import Directory
from libs.directory.keys import MemberKey
from libs.directory.members import MemberState
from libs.directory.names import Entry, Listing, Place, folded
from libs.directory.positions import Position
from services.channel.logs import Logs

_MEMBERS_AT_ONCE = 1_000


class OtherRows:
    """Writes them."""

    def __init__(self, directory: Directory, logs: Logs) -> None:
        self._directory = directory
        self._logs = logs

    async def write(self, channel: Channel, change: Change, seq: int) -> None:
        """Write the rows of a change whose event has `seq`."""
        if change.joining:  # first: whoever finds themselves a member has nothing unread
            await self._begin_to_read(channel, change, seq)
        if change.steps:
            await self._directory.members.put(change.members(channel.key))
        if change.block is not None:
            await self._directory.blocks.put([change.block])
        if change.kind is ChangeKind.DELETION:
            await self._take_everybody_out(channel, change)
        if channel.kind is ChannelKind.OPEN and (change.kind is not ChangeKind.MEMBERS or change.version == 1):
            await self._directory.names.put(_entries(channel, change))

    async def _begin_to_read(self, channel: Channel, change: Change, seq: int) -> None:
        log = log_pb2.LogKey(application_id=channel.key.application_id, log_id=channel.log_id)
        [count] = await self._logs.counts([log_pb2.LogPosition(log=log, seq=seq)])
        keys = [MemberKey(*channel.key, step.user_id) for step in change.joining]
        await self._directory.positions.advance([Position(key, seq, count, seq) for key in keys])

    async def _take_everybody_out(self, channel: Channel, change: Change) -> None:
        """So that nobody's list of channels is read past a channel that is no more, for ever."""
        after = ""
        while members := await self._directory.members.of_channel(channel.key, after, _MEMBERS_AT_ONCE):
            gone = [replace(member, state=MemberState.LEFT, version=change.version) for member in members]
            await self._directory.members.put(gone)
            after = members[-1].key.user_id


def _entries(channel: Channel, change: Change) -> list[Entry]:
    """What the list of open channels says from then on."""

    def entry(name: str, *, listed: bool) -> Entry:
        place = Place(folded(name), channel.key.channel_id)
        return Entry(channel.key.application_id, Listing.OPEN_CHANNELS, place, change.version, listed)

    if change.kind is ChangeKind.DELETION:
        return [entry(change.old_name, listed=False)]
    entries = [entry(channel.fields.name, listed=True)]
    if change.version > 1 and folded(change.old_name) != folded(channel.fields.name):
        entries.append(entry(change.old_name, listed=False))
    return entries
