"""Who has blocked whom, and what follows from it."""

from collections.abc import Sequence
from itertools import permutations

from tertulia.chat.v1 import error_pb2
from tertulia_internal.bus.v1 import signal_pb2

from libs.bus import Bus
from libs.bus.subjects import presence_subject
from libs.directory.blocks import Block, BlockKey
from libs.directory.changes import ChangeKind
from libs.directory.channels import Channel
from libs.directory.directory import Directory
from libs.directory.keys import ChannelKey, UserKey
from libs.rpc.caller import Caller
from libs.rpc.errors import FieldsInvalid, FieldViolation, PermissionDenied, ResourceExhausted
from services.channel.changes import Changes, Draft
from services.channel.ids import direct_channel_id
from services.channel.people import People

MAX_BLOCKED = 1_000


class Blocks:
    """Blocks and unblocks.

    Where the two have a direct channel, a block is a change of its policy, and the block's own row is written by that
    change. Who blocks while the channel is being made writes the row, then looks for the channel; who makes the channel
    writes it, then looks for the row: so one of the two sees the other.
    """

    def __init__(self, directory: Directory, people: People, changes: Changes, bus: Bus) -> None:
        self._directory = directory
        self._people = people
        self._changes = changes
        self._bus = bus

    async def block(self, user: UserKey, blocked_user_id: str) -> None:
        """Block somebody for a user. Safe to repeat.

        Raises:
            FieldsInvalid: it is the user.
            NotFound: USER_NOT_FOUND.
            ResourceExhausted: LIMIT_REACHED.
            TertuliaError: what `Changes.change` raises.
        """
        if blocked_user_id == user.user_id:
            raise FieldsInvalid([FieldViolation("user_id", "nobody blocks themselves")])
        await self._people.existing([UserKey(user.application_id, blocked_user_id), user])
        others = [b for b in await self.all_of(user) if b != blocked_user_id]
        if len(others) >= MAX_BLOCKED:
            raise ResourceExhausted(
                f"a user blocks at most {MAX_BLOCKED} others",
                error_pb2.ERROR_REASON_LIMIT_REACHED,
                metadata={"limit": str(MAX_BLOCKED)},
            )
        await self._set(BlockKey(*user, blocked_user_id), blocked=True)
        await self._announce(user, blocked_user_id)

    async def unblock(self, user: UserKey, blocked_user_id: str) -> None:
        """Take a block back. Safe to repeat; raises what `Changes.change` raises."""
        await self._set(BlockKey(*user, blocked_user_id), blocked=False)
        await self._announce(user, blocked_user_id)

    async def all_of(self, user: UserKey) -> list[str]:
        """Whom the user has blocked, all of them."""
        return [block.blocked_user_id for block in await self._directory.blocks.of_user(user, "", MAX_BLOCKED)]

    async def against(self, user: UserKey, by_user_ids: Sequence[str]) -> list[str]:
        """Of some users those who have blocked `user`."""
        keys = [BlockKey(user.application_id, by, user.user_id) for by in by_user_ids]
        return [block.user_id for block in await self._directory.blocks.get(keys) if block.blocked]

    async def refuse_against(self, caller: Caller, user_ids: Sequence[str]) -> None:
        """Raises PermissionDenied, BLOCKED, if one of the users has blocked the caller."""
        if await self.against(UserKey(caller.application_id, caller.user_id), user_ids):
            raise PermissionDenied("somebody of them does not want to be added by you", error_pb2.ERROR_REASON_BLOCKED)

    async def refuse_between(self, application_id: str, user_ids: Sequence[str]) -> None:
        """Raises PermissionDenied, BLOCKED, if one of the two has blocked the other."""
        if any(block.blocked for block in await self._between(application_id, user_ids)):
            raise PermissionDenied("one of the two has blocked the other", error_pb2.ERROR_REASON_BLOCKED)

    async def applied(self, channel: Channel) -> Channel:
        """A direct channel that was just made, with the blocks of which it cannot have known."""
        for block in await self._between(channel.key.application_id, channel.direct_user_ids):
            if block.blocked:
                channel = await self._change(channel.key, block.key, blocked=True)
        return channel

    async def _set(self, key: BlockKey, *, blocked: bool) -> None:
        channel_key = ChannelKey(
            key.application_id, direct_channel_id(key.application_id, [key.user_id, key.blocked_user_id])
        )
        [channel] = await self._directory.channels.get([channel_key])
        if channel is None:
            row = await self._row(key)
            if row.blocked == blocked:
                return
            await self._directory.blocks.put([Block(*key, blocked=blocked, version=row.version + 1)])
            [channel] = await self._directory.channels.get([channel_key])
        if channel is not None:
            await self._change(channel_key, key, blocked=blocked)

    async def _change(self, channel_key: ChannelKey, key: BlockKey, *, blocked: bool) -> Channel:
        async def plan(channel: Channel) -> Draft | None:
            row = await self._row(key)
            if row.blocked == blocked and (key.user_id in channel.blocked_by) == blocked:
                return None
            return Draft(ChangeKind.BLOCK, block=Block(*key, blocked=blocked, version=row.version + 1))

        return await self._changes.change(channel_key, key.user_id, plan)

    async def _announce(self, user: UserKey, blocked_user_id: str) -> None:
        """Tell the gateways, whose clients may be shown the user's presence no longer, or again."""
        signal = signal_pb2.PresenceSignal(block_changed_user_id=blocked_user_id)
        await self._bus.publish(presence_subject(user.application_id, user.user_id), signal.SerializeToString())

    async def _row(self, key: BlockKey) -> Block:
        [row] = await self._directory.blocks.get([key])
        return row

    async def _between(self, application_id: str, user_ids: Sequence[str]) -> Sequence[Block]:
        keys = [BlockKey(application_id, *pair) for pair in permutations(user_ids, 2)]
        return await self._directory.blocks.get(keys)
