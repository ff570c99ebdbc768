"""message_store on Cassandra: it is stopped and woken, is started anew, and says what keeps it from starting."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tertulia_internal.message_store.v1 import log_pb2, log_pb2_grpc

from libs.log_store.cassandra import MIGRATIONS
from libs.rpc.client import call, open_channel
from libs.rpc.errors import TertuliaError
from tests.integration.message_store.load import Load
from tests.integration.message_store.process import LOG, MessageStore, item, message_store
from tests.support.cql import ContactPoint, cql
from tests.support.keyspace import keyspace
from tests.support.log_keyspace import LogKeyspace
from tests.support.ports import free_port, until
from tests.support.service import ServiceProcess

SECONDS = 20
_NEEDED = MIGRATIONS[-1].version
_REFUSED = "Cassandra refuses"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def store(logs: LogKeyspace, tmp_path: Path) -> AsyncIterator[MessageStore]:
    async with message_store(tmp_path, **logs.settings) as store:
        yield store


async def test_a_stop_under_load_exits_with_0_and_loses_nothing(store: MessageStore) -> None:
    async with (load := Load(store)).running():
        assert await store.process.stop() == 0
        await store.process.start()
    assert load.acknowledged


async def test_an_owner_that_is_woken_after_its_takeover_exits_without_acknowledging(
    store: MessageStore, logs: LogKeyspace, tmp_path: Path
) -> None:
    await store.append(item("1"), item("2"))
    await store.process.freeze()
    sent_to_the_sleeper = asyncio.create_task(
        call(store.stub.Append, log_pb2.AppendRequest(items=[item("3")]), timeout=2 * SECONDS)
    )
    address = f"unix:{tmp_path}/successor.sock"
    async with open_channel(address) as channel:
        successor = ServiceProcess(
            "message_store", address, channel, tmp_path / "log2", bus_address=store.nats.address, **logs.settings
        )
        try:
            await successor.start()
            stub = log_pb2_grpc.LogServiceStub(channel)
            appended = await call(stub.Append, log_pb2.AppendRequest(items=[item("4"), item("3")]))
            assert [result.seq for result in appended.results] == [3, 4]
            store.process.thaw()
            with pytest.raises(TertuliaError):
                await sent_to_the_sleeper
            assert await store.process.ended() == 1, "it was fenced"
            read = await call(stub.Read, log_pb2.ReadRequest(log=LOG, from_seq=1, to_seq=9, limit=9))
            assert (read.to_seq, len(read.events)) == (4, 4)
            assert await _rows(logs) == [1, 2, 3, 4], "the sleeper wrote what another had taken over"
        finally:
            await successor.kill()


async def _rows(logs: LogKeyspace) -> list[int]:
    """The seqs of all rows that the database holds, ghosts too."""
    async with cql(logs.point) as connection:
        rows = await connection.query(f"SELECT seq FROM {logs.name}.log")  # noqa: S608 - our own name
    return sorted(int.from_bytes(seq or b"") for (seq,) in rows)


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-name.invalid"])
async def test_without_cassandra_it_waits_and_can_be_stopped(tmp_path: Path, host: str) -> None:
    address, log = f"unix:{tmp_path}/store.sock", tmp_path / "log"
    async with open_channel(address) as channel:
        nowhere = ContactPoint(host, free_port())
        process = ServiceProcess(
            "message_store",
            address,
            channel,
            log,
            store="cassandra",
            cassandra_nodes=str(nowhere),
            trust_network="true",
        )
        starting = asyncio.create_task(process.start())
        await until(lambda: log.exists() and "cassandra_does_not_answer" in log.read_text(), "it says that it waits")
        assert await process.stop() == 0
        with pytest.raises(AssertionError, match="message_store ended"):
            await starting


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("INSERT INTO {}.schema_migration (component, version) VALUES ('log_store', 9)", "it is too old for this"),
        ("TRUNCATE {}.schema_migration", f"is version 0, this program needs {_NEEDED}: run the migrate command"),
        (
            "INSERT INTO {}.shard (ring, shard, epoch, owner) VALUES (0, 256, 0, '')",
            "have 257 shards, this program has",
        ),
        ("DROP TABLE {}.schema_migration", f"is version 0, this program needs {_NEEDED}"),
    ],
)
async def test_a_schema_that_does_not_fit_keeps_it_from_starting(
    logs_to_break: LogKeyspace, change: str, complaint: str
) -> None:
    async with cql(logs_to_break.point) as connection:
        await connection.query(change.format(logs_to_break.name))
    assert complaint in await _refusal(logs_to_break.settings)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"cassandra_keyspace": "missing"}, "Cassandra has no keyspace missing: create it"),
        ({"cassandra_password": "wrong"}, _REFUSED),
        ({"cassandra_user": ""}, _REFUSED),
        ({"cassandra_keyspace": "No; Name"}, "is no name for a keyspace"),
        ({"cassandra_nodes": "host:port"}, "settings of message_store: cassandra_nodes"),
        ({"store": "paper"}, "settings of message_store: store"),
        ({"store": "sqlite"}, "data_dir: needed for store=sqlite"),
    ],
)
async def test_a_wrong_setting_keeps_it_from_starting(
    logs: LogKeyspace, settings: dict[str, str], complaint: str
) -> None:
    if complaint == _REFUSED:
        logs.require_login()
    assert complaint in await _refusal(logs.settings | settings)


async def test_who_has_not_the_rights_is_told_which_are_missing(logs: LogKeyspace, logs_to_break: LogKeyspace) -> None:
    logs.require_login()
    elsewhere = logs._replace(name=logs_to_break.name).settings
    assert "has no SELECT permission" in await _refusal(elsewhere)
    assert "has no SELECT permission" in await _refusal(elsewhere, "message_store.migrate", "--wait")
    assert "has no CREATE permission" in await _refusal(
        logs.settings, "message_store.migrate", "--create-with-replicas=1"
    )
    async with cql(logs_to_break.point) as connection:
        await connection.query(f"DROP TABLE {logs_to_break.name}.schema_migration")
    assert "has no CREATE permission" in await _refusal(logs_to_break.settings, "message_store.migrate")


async def test_the_command_makes_keyspace_and_schema_and_can_be_repeated(
    cassandra: ContactPoint, tmp_path: Path
) -> None:
    async with keyspace(cassandra, "made") as place:
        settings = place.migration_settings
        async with cql(cassandra) as connection:
            await connection.query(f"DROP KEYSPACE {place.name}")
        assert "has no keyspace" in await _refusal(settings, "message_store.migrate")
        waiting = asyncio.create_task(_ended("message_store.migrate", settings, "--wait"))
        for _ in range(2):
            code, written = await _ended("message_store.migrate", settings, "--create-with-replicas=1")
            assert (code, "schema_is_current" in written) == (0, True), written
        code, written = await waiting
        assert (code, "schema_is_current" in written) == (0, True), written
        async with message_store(tmp_path, **settings) as store:
            assert await store.append(item("1")) == [1]


async def _ended(module: str, settings: dict[str, str], *arguments: str) -> tuple[int, str]:
    """A process that ends by itself: its exit code, and what it logged."""
    settings = {"listen": "unix:/nonexistent/store.sock", **settings}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"services.{module}",
        *arguments,
        env={**os.environ, **{f"TERTULIA_MESSAGE_STORE_{key.upper()}": value for key, value in settings.items()}},
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(2 * SECONDS):
        _, written = await process.communicate()
    assert process.returncode is not None
    return process.returncode, written.decode()


async def _refusal(settings: dict[str, str], module: str = "message_store", *arguments: str) -> str:
    """The one error that such a process logs."""
    code, written = await _ended(module, settings, *arguments)
    assert code == 1
    assert "Traceback" not in written
    (error,) = [line["error"] for line in map(json.loads, filter(_is_json, written.splitlines())) if "error" in line]
    return str(error)


def _is_json(line: str) -> bool:
    return line.startswith("{")
