"""Several processes that change the same channels, as they may on a shared database: no lock is between them."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import event_pb2

from libs.directory import Directory
from libs.directory.cassandra import cassandra_directory
from libs.directory.changes import ChangeKind
from libs.directory.channels import Channel, ChannelFields, ChannelKind
from libs.directory.keys import ChannelKey, MemberKey, UserKey
from libs.directory.members import MemberState
from libs.directory.sqlite import sqlite_directory
from libs.directory.users import User
from libs.log_owners import LogRouter, Owners
from libs.rpc.client import open_channel
from libs.rpc.errors import Unavailable
from services.channel.changes import Changes, Draft
from services.channel.ids import new_log_id
from services.channel.logs import Logs
from services.channel.steps import first_steps, joining_steps, leaving_steps
from tests.integration.channel.parts import APPLICATION, Parts, running_parts
from tests.support.keyspace import Keyspace

KEY = ChannelKey(APPLICATION, "team")
USERS = [f"user-{number}" for number in range(6)]


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with running_parts(tmp_path) as running:
        yield running


@pytest.fixture
async def directory(tmp_path: Path, engine: Keyspace | None) -> AsyncIterator[Directory]:
    async with AsyncExitStack() as stack:
        if engine is None:
            opening = sqlite_directory(tmp_path / "shared.sqlite")
        else:
            opening = cassandra_directory(await stack.enter_async_context(engine.session()))
        opened = await stack.enter_async_context(opening)
        await opened.users.create([User(UserKey(APPLICATION, user), new_log_id(), "", "", 1) for user in USERS])
        yield opened


async def test_processes_without_a_lock_between_them_make_each_change_once(
    parts: Parts, directory: Directory, tmp_path: Path
) -> None:
    async with open_channel(f"unix:{tmp_path}/message_store") as to_message_store:
        logs = Logs(LogRouter(Owners([to_message_store])))
        processes = [Changes(directory, logs, CollectorRegistry(), max_members=100) for _ in range(3)]
        wanted = Channel(KEY, new_log_id(), ChannelKind.GROUP, ChannelFields(), USERS[0], (), 1, 0, 1, None)
        first = first_steps(ChannelKind.GROUP, USERS[0], USERS[1:3], 1)
        made = await asyncio.gather(*(process.create(wanted, USERS[0], first) for process in processes))
        assert len({channel.log_id for channel in made}) == 1

        async def work(process: Changes, seed: int) -> None:
            dice = random.Random(seed)
            for _ in range(15):
                some = dice.sample(USERS[1:], 2)
                joining = dice.random() < 0.5

                async def plan(channel: Channel, some: list[str] = some, joining: bool = joining) -> Draft | None:
                    rows = await directory.members.get([MemberKey(*channel.key, user) for user in some])
                    if joining:
                        steps = joining_steps(some, {row.key.user_id: row for row in rows if row is not None}, 1)
                    else:
                        active = [row for row in rows if row is not None and row.state is MemberState.ACTIVE]
                        steps = leaving_steps(active, None)
                    return Draft(ChangeKind.MEMBERS, steps) if steps else None

                try:
                    await process.change(KEY, USERS[0], plan)
                except Unavailable:
                    await process.sweep()  # the others were first ten times in a row

        await asyncio.gather(*(work(process, seed) for seed, process in enumerate(processes)))
        channel = await processes[0].settle(KEY)
        await assert_same(parts, directory, channel)


async def assert_same(parts: Parts, directory: Directory, channel: Channel) -> None:
    """The log, the rows and the inboxes say the same."""
    members: set[str] = set()
    expected: dict[str, list[tuple[str, int]]] = {user: [] for user in USERS}
    for version, event in enumerate(await parts.events(channel.log_id), start=1):
        change = event.membership_change
        assert change.policy_version == version
        assert set(change.added_user_ids).isdisjoint(members)
        assert set(change.removed_user_ids) <= members
        members = (members | set(change.added_user_ids)) - set(change.removed_user_ids)
        for user in change.added_user_ids:
            expected[user].append(("channel_joined", event.seq))
        for user in change.removed_user_ids:
            expected[user].append(("channel_left", event.seq))
    assert channel.member_count == len(members)
    assert {row.key.user_id for row in await directory.members.of_channel(KEY, "", 100)} == members
    for row in await directory.users.get([UserKey(APPLICATION, user) for user in USERS]):
        assert row is not None
        assert [_entry(event) for event in await parts.events(row.inbox_log_id)] == expected[row.key.user_id]


def _entry(event: event_pb2.Event) -> tuple[str, int]:
    kind = event.WhichOneof("content")
    assert kind is not None
    return kind, event.channel_joined.joined_seq or event.channel_left.left_seq
