"""`tertulia serve` on a Cassandra and a NATS that run already."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.integration.serve.test_serve import refusal, serve
from tests.support.cql import SUPERUSER, ContactPoint, cql
from tests.support.keyspace import keyspace
from tests.support.nats import nats_server
from tests.support.ports import free_port
from tests.support.stack import SERVICES, running_stack

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def name(cassandra: ContactPoint, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A keyspace, and in the environment the only user that may do what `serve` does: make a keyspace if it is missing, which is a right on all."""
    async with keyspace(cassandra, "serve") as place:
        for service in ("MESSAGE_STORE", "CHANNEL") if place.login else ():
            monkeypatch.setenv(f"TERTULIA_{service}_CASSANDRA_USER", SUPERUSER.user)
            monkeypatch.setenv(f"TERTULIA_{service}_CASSANDRA_PASSWORD", SUPERUSER.password)
        yield place.name


@asynccontextmanager
async def told(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
    """A serve that does not start, and its standard error. It must end cleanly when it is interrupted."""
    process = await serve(*arguments)
    try:
        assert process.stderr is not None
        yield process, process.stderr
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
        assert not any(child.is_running() for child in children)
    finally:
        if process.returncode is None:
            process.kill()


async def test_everything_is_kept_in_cassandra_and_passed_on_by_that_nats(
    cassandra: ContactPoint, name: str, tmp_path: Path
) -> None:
    async with nats_server() as nats:
        options = ("--cassandra", str(cassandra), "--keyspace", name, "--nats", nats.address)
        async with running_stack(tmp_path / "one", *options) as stack:
            children = psutil.Process(stack.supervisor_pid).children(recursive=True)
            assert len(children) == len(SERVICES), "no NATS, and the migrations have ended"
            await stack.json("channels", "create", "plaza", "--members", "alice,bob", "--as", "alice")
            await stack.json("send", "plaza", "hello", "--as", "alice")
        async with running_stack(tmp_path / "two", *options) as stack:
            history = await stack.json("history", "plaza", "--as", "bob")
            assert [entry["text"] for entry in history] == ["hello"]
            assert not (tmp_path / "two" / "message_store").exists()


async def test_a_second_one_on_the_same_keyspace_says_that_it_waits_and_goes_on_when_the_first_stops(
    cassandra: ContactPoint, name: str, tmp_path: Path
) -> None:
    options = ("--cassandra", str(cassandra), "--keyspace", name)
    async with running_stack(tmp_path / "one", *options):
        second = await serve("--port", "0", "--data", str(tmp_path / "two"), *options)
        assert second.stdout is not None
        assert second.stderr is not None
        async with asyncio.timeout(60):
            assert b"message_store waits: another process owns the logs" in await second.stderr.readline()
    try:
        async with asyncio.timeout(60):
            assert (await second.stdout.readline()).startswith(b"ready ")
        second.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            assert await second.wait() == 0
    finally:
        if second.returncode is None:
            second.kill()


async def test_without_an_answer_of_cassandra_it_says_that_it_waits(tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    async with told("--port", "0", "--data", str(tmp_path / "data"), "--cassandra", nowhere) as (_, stderr):
        async with asyncio.timeout(60):
            assert await stderr.readline() == b"message_store.migrate waits: Cassandra does not answer\n"


async def test_a_schema_of_a_newer_program_is_refused_in_one_line(
    cassandra: ContactPoint, name: str, tmp_path: Path
) -> None:
    async with cql(cassandra) as connection:
        await connection.query(
            f"CREATE TABLE {name}.schema_migration (component text, version int, PRIMARY KEY (component, version))"
        )
        await connection.query(
            f"INSERT INTO {name}.schema_migration (component, version) VALUES ('log_store', 99)"  # noqa: S608 - our own name
        )
    said = await refusal(
        "--port", "0", "--data", str(tmp_path / "data"), "--cassandra", str(cassandra), "--keyspace", name
    )
    assert said.startswith("error: message_store.migrate")
    assert "it is too old for this database" in said
    assert len(said.splitlines()) == 1
