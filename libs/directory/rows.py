"""A channel as a row, the same on every engine."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import orjson

from libs.directory.changes import Change
from libs.directory.channels import Channel, ChannelFields, ChannelKind
from libs.directory.keys import ChannelKey

Values: TypeAlias = tuple[str | bytes | int, ...]

CHANNEL_STATE = (
    "name",
    "cover_url",
    "custom_data",
    "slow_mode_seconds",
    "member_count",
    "version",
    "pending",
    "blocked_by",
    "deleted",
)
"""The columns that a change sets."""

CHANNEL = (
    "application_id",
    "channel_id",
    "log_id",
    "kind",
    "creator_user_id",
    "direct_user_ids",
    "create_time_ms",
    *CHANNEL_STATE,
)
"""All columns, the key first."""


def values_of(channel: Channel) -> Values:
    """In the order of CHANNEL."""
    return (
        *channel.key,
        channel.log_id,
        channel.kind,
        channel.creator_user_id,
        orjson.dumps(channel.direct_user_ids).decode(),
        channel.create_time_ms,
        *state_of(channel),
    )


def state_of(channel: Channel) -> Values:
    """In the order of CHANNEL_STATE."""
    return (
        channel.fields.name,
        channel.fields.cover_url,
        channel.fields.custom_data,
        channel.fields.slow_mode_seconds,
        channel.member_count,
        channel.version,
        channel.pending.to_json() if channel.pending else "",
        orjson.dumps(channel.blocked_by).decode(),
        int(channel.deleted),
    )


def channel_of(row: Sequence[Any]) -> Channel:
    """From the columns in the order of CHANNEL. Columns that are younger than the row may be null."""
    application_id, channel_id, log_id, kind, creator, direct, create_time_ms, *state = row
    name, cover_url, custom_data, slow_mode_seconds, member_count, version, pending, blocked_by, deleted = state
    return Channel(
        key=ChannelKey(application_id, channel_id),
        log_id=log_id,
        kind=ChannelKind(kind),
        fields=ChannelFields(name, cover_url or "", custom_data or "", slow_mode_seconds or 0),
        creator_user_id=creator,
        direct_user_ids=tuple(orjson.loads(direct)),
        create_time_ms=create_time_ms,
        member_count=member_count,
        version=version,
        pending=Change.from_json(pending) if pending else None,
        blocked_by=tuple(orjson.loads(blocked_by or "[]")),
        deleted=bool(deleted),
    )
