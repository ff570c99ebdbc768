"""Positions of readers: advanced in batches, and announced where they moved."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter
from tertulia.chat.v1 import session_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.channel.v1 import access_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.bus import Bus
from libs.bus.subjects import log_subject
from libs.directory.channels import Channel
from libs.directory.directory import Directory
from libs.directory.keys import MemberKey
from libs.directory.positions import Position
from services.channel.logs import Logs
from services.channel.rules import is_member


class Reached(Enum):
    """How far somebody got."""

    READ = "read"
    """They have read it: which moves what was delivered, too."""
    DELIVERED = "delivered"
    """A device of theirs has it."""


class Advance(NamedTuple):
    """A position to advance, and to where."""

    key: MemberKey
    seq: int


class Outcome(NamedTuple):
    """What came of an advance."""

    position: Position
    refusal: access_pb2.AdvanceRefusal.ValueType = access_pb2.ADVANCE_REFUSAL_UNSPECIFIED


class Positions:
    """Advances positions. One batch at a time, so that what this process announces of a member never goes back (I8).

    Another process may announce a lower one after it: whoever listens keeps the highest.
    """

    def __init__(
        self, directory: Directory, logs: Logs, bus: Bus, registry: CollectorRegistry, *, pushed_up_to_members: int
    ) -> None:
        self._directory = directory
        self._logs = logs
        self._bus = bus
        self._pushed_up_to_members = pushed_up_to_members
        self._batches = asyncio.Lock()
        self._moved = Counter("tertulia_positions_moved", "Positions that moved.", ["kind"], registry=registry)

    async def of(self, keys: Sequence[MemberKey]) -> Sequence[Position]:
        """The positions, in the order of the keys; 0 where there is none."""
        return await self._directory.positions.get(keys)

    async def advance(self, reached: Reached, advances: Sequence[Advance]) -> list[Outcome]:
        """Advance positions of members; the outcomes are in the same order. Safe to repeat.

        Raises:
            Unavailable: UNAVAILABLE: a store does not answer.
        """
        async with self._batches:
            channels = await self._channels(advances)
            before = {p.key: p for p in await self._directory.positions.get(list({a.key for a in advances}))}
            counts = await self._counts(reached, advances, channels, before)
            after = dict(before)
            for advance, count in counts.items():
                if count >= 0 and advance.seq > _seq(reached, after[advance.key]):
                    after[advance.key] = _moved(reached, after[advance.key], advance.seq, count)
            moved = [position for key, position in after.items() if position is not before[key]]
            if moved:
                await self._directory.positions.advance(moved)
                self._moved.labels(reached.value).inc(len(moved))
            for position in moved:
                await self._announce(reached, channels[position.key], position)
        return [_outcome(advance, channels, counts, after) for advance in advances]

    async def _channels(self, advances: Sequence[Advance]) -> dict[MemberKey, Channel]:
        """The channels, for those whose user is a member."""
        keys = list({advance.key for advance in advances})
        channels = await self._directory.channels.get([key.channel for key in keys])
        members = await self._directory.members.get(keys)
        return {
            key: channel
            for key, channel, member in zip(keys, channels, members, strict=True)
            if channel is not None and is_member(channel, member)
        }

    async def _counts(
        self,
        reached: Reached,
        advances: Sequence[Advance],
        channels: dict[MemberKey, Channel],
        before: dict[MemberKey, Position],
    ) -> dict[Advance, int]:
        """The message counts at those seqs that would move a position; -1 above the head."""
        wanted = [
            advance
            for advance in dict.fromkeys(advances)
            if advance.key in channels and advance.seq > _seq(reached, before[advance.key])
        ]
        places = [
            log_pb2.LogPosition(
                log=log_pb2.LogKey(application_id=advance.key.application_id, log_id=channels[advance.key].log_id),
                seq=advance.seq,
            )
            for advance in wanted
        ]
        return dict(zip(wanted, await self._logs.counts(places), strict=True))

    async def _announce(self, reached: Reached, channel: Channel, position: Position) -> None:
        if channel.member_count > self._pushed_up_to_members:
            return
        frame = session_pb2.ServerFrame(notices=[_notice(reached, channel, position)]).SerializeToString()
        signal = signal_pb2.LogSignal(notice=signal_pb2.LogNotice(frame=frame))
        await self._bus.publish(log_subject(channel.log_id), signal.SerializeToString())


def _seq(reached: Reached, position: Position) -> int:
    return position.read_seq if reached is Reached.READ else position.delivered_seq


def _moved(reached: Reached, position: Position, seq: int, message_count: int) -> Position:
    delivered_seq = max(position.delivered_seq, seq)
    if reached is Reached.DELIVERED:
        return replace(position, delivered_seq=delivered_seq)
    return replace(position, read_seq=seq, read_message_count=message_count, delivered_seq=delivered_seq)


def _outcome(
    advance: Advance,
    channels: dict[MemberKey, Channel],
    counts: dict[Advance, int],
    after: dict[MemberKey, Position],
) -> Outcome:
    if advance.key not in channels:
        return Outcome(Position(advance.key, 0, 0), access_pb2.ADVANCE_REFUSAL_CHANNEL_NOT_FOUND)
    if counts.get(advance, 0) < 0:
        return Outcome(after[advance.key], access_pb2.ADVANCE_REFUSAL_ABOVE_HEAD)
    return Outcome(after[advance.key])


def _notice(reached: Reached, channel: Channel, position: Position) -> session_pb2.Notice:
    user_id = position.key.user_id
    if reached is Reached.DELIVERED:
        return session_pb2.Notice(
            delivered=session_pb2.DeliveredChanged(
                log_id=channel.log_id, user_id=user_id, delivered_seq=position.delivered_seq
            )
        )
    return session_pb2.Notice(
        read=session_pb2.ReadChanged(
            log_id=channel.log_id,
            user_id=user_id,
            read_seq=position.read_seq,
            read_message_count=position.read_message_count,
        )
    )
