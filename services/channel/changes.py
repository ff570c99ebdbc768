"""Changes of membership and policy, carried out as authorised appends (DESIGN §4).

    1. the channel's row gets the next version, what it says from then on, and the change as a pending mark (compare and set)
    2. the change is appended to the channel's log, under a client id made of the version
    3. the other rows are written: members, blocks, the list of open channels                (merged by version)
    4. the entries are appended to the inboxes of those who come and go
    5. the mark is cleared, and the caller is answered

From step 1 on the removed are refused (`rules.is_member` looks at the mark), and everybody when the channel is deleted, and
roles are what they will be (`rules.as_changed`); from step 3 on, when the event is on the log, the added are members. Each
step may be repeated by anybody at any time, so a crash, an outage or a second process doing the same leaves nothing undone
and nothing doubled: whoever meets a mark finishes that change before beginning another, and a sweeper looks for marks that
nobody meets. Within a process changes of one channel wait for each other.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from prometheus_client import CollectorRegistry, Counter
from tertulia.chat.v1 import error_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.directory.blocks import Block
from libs.directory.changes import Action, Change, ChangeKind, MemberStep
from libs.directory.channels import Channel, ChannelFields
from libs.directory.directory import Directory
from libs.directory.keys import ChannelKey, UserKey
from libs.rpc.errors import TertuliaError, Unavailable, channel_not_found
from services.channel.entries import change_event, inbox_entries
from services.channel.locks import KeyedLocks
from services.channel.logs import Logs
from services.channel.rows import OtherRows
from services.channel.steps import count_after

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Draft:
    """A change that is wanted, before it has a version."""

    kind: ChangeKind
    steps: Sequence[MemberStep] = ()
    fields: ChannelFields | None = None
    """Of FIELDS: all of them, as they shall be."""
    block: Block | None = None
    """Of a BLOCK: the row that it leads to."""


Plan = Callable[[Channel], Awaitable[Draft | None]]
"""Says, for a channel with no change pending, what to do; None: nothing. Raises what refuses it."""

_ATTEMPTS = 10  # how often other processes may be first
_SWEEP_CHANNELS = 1_000
_RETRY_MS = 500


class Changes:
    """Makes and changes channels."""

    def __init__(self, directory: Directory, logs: Logs, registry: CollectorRegistry, *, max_members: int) -> None:
        self._directory = directory
        self._logs = logs
        self._rows = OtherRows(directory, logs)
        self._max_members = max_members
        self._locks: KeyedLocks[ChannelKey] = KeyedLocks()
        self._completed = Counter(
            "tertulia_channel_changes", "Changes of membership and policy completed.", registry=registry
        )
        self._swept = Counter("tertulia_channel_changes_swept", "Of those, finished by the sweeper.", registry=registry)

    async def create(self, channel: Channel, actor_user_id: str, steps: Sequence[MemberStep]) -> Channel:
        """Make a channel with its first members, unless its id is taken; return the one that has the id, changes done.

        Raises:
            Unavailable, ResourceExhausted: as `change`.
        """
        count = count_after(channel, steps, self._max_members)
        async with self._locks.held(channel.key):
            # the log of a channel that does not exist yet is empty
            inboxes = await self._with_inboxes(channel.key, steps)
            change = Change(ChangeKind.MEMBERS, actor_user_id, inboxes, version=channel.version)
            stored = await self._directory.channels.create(replace(channel, member_count=count, pending=change))
            return await self._settle(stored)

    async def change(self, key: ChannelKey, actor_user_id: str, plan: Plan) -> Channel:
        """Carry out what `plan` says, all of it; return the channel as it is then.

        Raises:
            NotFound: there is no such channel, or it was deleted.
            Unavailable: UNAVAILABLE, nothing was done; or OUTCOME_UNKNOWN, the change was recorded and will be completed.
                Repeat the call in both cases.
            Internal: the channel's log refuses the change for ever; see `Logs.append`.
            ResourceExhausted: LIMIT_REACHED, or the stores are overloaded.
            TertuliaError: what `plan` raised.
        """
        async with self._locks.held(key):
            for _ in range(_ATTEMPTS):
                channel = await self._settle(await self._read(key))
                if channel.deleted:
                    raise channel_not_found(key.channel_id)
                draft = await plan(channel)
                if draft is None:
                    return channel
                changed = await self._changed(channel, actor_user_id, draft)
                if await self._directory.channels.begin_change(changed):
                    return await self._settle(changed)
        raise Unavailable(
            "too many changes of this channel at once; try again",
            error_pb2.ERROR_REASON_UNAVAILABLE,
            retry_after_ms=_RETRY_MS,
        )

    async def settle(self, key: ChannelKey) -> Channel:
        """Finish the channel's pending change if there is one. Raises as `change`."""
        async with self._locks.held(key):
            return await self._settle(await self._read(key))

    async def sweep(self) -> None:
        """Finish every pending change that is found. What cannot be finished now is left for the next time."""
        for key in await self._directory.channels.with_pending_change(_SWEEP_CHANNELS):
            try:
                async with self._locks.held(key):
                    channel = await self._read(key)
                    if channel.pending is None:  # it was under way, and is done
                        continue
                    await self._settle(channel)
            except TertuliaError as error:
                log.warning("change_not_finished", channel_id=key.channel_id, error=str(error))
                if isinstance(error, Unavailable):
                    return  # a store is away: the others would fare no better
            else:
                self._swept.inc()
                log.info("change_finished_by_sweeper", channel_id=key.channel_id, version=channel.version)

    async def _read(self, key: ChannelKey) -> Channel:
        [channel] = await self._directory.channels.get([key])
        if channel is None:
            raise channel_not_found(key.channel_id)
        return channel

    async def _settle(self, channel: Channel) -> Channel:
        """Steps 2 to 5 of the pending change."""
        change = channel.pending
        if change is None:
            return channel
        [seq] = await self._logs.append([change_event(channel, change)])
        await self._rows.write(channel, change, seq)
        entries = list(inbox_entries(channel, change, seq))
        if entries:
            await self._logs.append(entries)
        await self._directory.channels.end_change(channel.key, change.version)
        self._completed.inc()
        return replace(channel, pending=None)

    async def _changed(self, channel: Channel, actor_user_id: str, draft: Draft) -> Channel:
        """The channel as the draft leaves it, with the change that says so pending."""
        count = count_after(channel, draft.steps, self._max_members)
        log_key = log_pb2.LogKey(application_id=channel.key.application_id, log_id=channel.log_id)
        [head] = await self._logs.heads([log_key])
        change = Change(
            kind=draft.kind,
            actor_user_id=actor_user_id,
            steps=await self._with_inboxes(channel.key, draft.steps),
            block=draft.block,
            old_name=channel.fields.name,
            version=channel.version + 1,
            log_seq=head.seq,
        )
        changed = replace(channel, version=change.version, pending=change, member_count=count)
        if draft.kind is ChangeKind.DELETION:
            return replace(changed, deleted=True, fields=ChannelFields(), member_count=0)
        if draft.block is not None:
            others = [user_id for user_id in channel.blocked_by if user_id != draft.block.user_id]
            return replace(changed, blocked_by=(*others, draft.block.user_id) if draft.block.blocked else tuple(others))
        return replace(changed, fields=draft.fields or channel.fields)

    async def _with_inboxes(self, key: ChannelKey, steps: Sequence[MemberStep]) -> tuple[MemberStep, ...]:
        """The steps with the inbox logs of those who come and go, and where these stand."""
        moving = [step for step in steps if step.action is not Action.ROLE]
        users = await self._directory.users.get([UserKey(key.application_id, step.user_id) for step in moving])
        inboxes = {user.key.user_id: user.inbox_log_id for user in users if user is not None}
        keys = [log_pb2.LogKey(application_id=key.application_id, log_id=log_id) for log_id in inboxes.values()]
        heads = dict(zip(inboxes, await self._logs.heads(keys), strict=True))
        return tuple(
            replace(step, inbox_log_id=inboxes[step.user_id], inbox_seq=heads[step.user_id].seq)
            if step.user_id in inboxes
            else step
            for step in steps
        )
