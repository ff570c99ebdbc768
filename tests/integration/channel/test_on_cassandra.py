"""The process on Cassandra: how it starts, what it says when it cannot, and how it fares when the ring is away."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from tertulia.chat.v1 import user_pb2
from tertulia_internal.channel.v1 import access_pb2

from libs.cassandra import ContactPoint as NodeAddress
from libs.cassandra import cassandra_session
from libs.rpc.client import CALL_SECONDS, call
from libs.rpc.errors import NotFound, TertuliaError, Unavailable
from services.channel.secret_string import parse_secret
from tests.integration.channel.consistency import assert_consistent
from tests.integration.channel.parts import reason, running_parts
from tests.integration.channel.people import Cast
from tests.integration.channel.test_process import command
from tests.support.authority import Authority
from tests.support.cassandra import cassandra_ring
from tests.support.cql import ContactPoint, cql
from tests.support.directory_keyspace import directory_keyspace
from tests.support.keyspace import Keyspace, keyspace
from tests.support.ports import until

MIGRATE = "services.channel.migrate"


@pytest.fixture
async def empty_keyspace(in_cassandra: Keyspace) -> AsyncIterator[Keyspace]:
    """A keyspace without tables."""
    async with keyspace(in_cassandra.point) as place:
        yield place


async def test_without_its_keyspace_it_says_so_in_one_line(tmp_path: Path, in_cassandra: Keyspace) -> None:
    nowhere = in_cassandra._replace(name=f"nowhere_{secrets.token_hex(4)}")
    for program, arguments in (
        ("services.channel", []),
        ("services.channel", ["create-application", "a"]),
        (MIGRATE, []),
    ):
        code, _, logged = await command(tmp_path, *arguments, program=program, **nowhere.settings)
        assert code == 1
        assert [line["event"] for line in logged] == ["cannot_start"]
        assert nowhere.name in logged[0]["error"]


async def test_without_its_tables_it_says_how_to_make_them_and_then_it_starts(
    tmp_path: Path, empty_keyspace: Keyspace
) -> None:
    code, _, logged = await command(tmp_path, **empty_keyspace.settings)
    assert code == 1
    assert [line["event"] for line in logged] == ["cannot_start"]
    assert "the schema of directory" in logged[0]["error"]
    for _ in range(2):
        assert (await command(tmp_path, program=MIGRATE, **empty_keyspace.migration_settings))[0] == 0
    async with running_parts(tmp_path, **empty_keyspace.settings) as parts:
        [alice] = await Cast(parts).users("alice")
        assert await alice.channels() == {}


async def test_applications_are_administered_while_it_runs(tmp_path: Path, in_cassandra: Keyspace) -> None:
    async with running_parts(tmp_path, **in_cassandra.settings) as parts:
        name = f"shop-{secrets.token_hex(4)}"
        code, out, _ = await command(tmp_path, "create-application", name, **in_cassandra.settings)
        assert code == 0
        key = parse_secret(out.strip())
        request = access_pb2.GetKeyRequest(application_id=name, key_id=key.key_id)
        assert (await call(parts.access.GetKey, request)).secret == key.secret
        assert (await command(tmp_path, "create-application", name, **in_cassandra.settings))[0] == 1
        assert (await command(tmp_path, "withdraw-key", name, key.key_id, **in_cassandra.settings))[0] == 0
        with pytest.raises(NotFound):
            await call(parts.access.GetKey, request)


@pytest.mark.xdist_group("cassandra-rings")
@pytest.mark.timeout(240)
async def test_while_cassandra_is_away_calls_are_refused_in_time_and_then_it_goes_on_over_tls_as_before(
    tmp_path: Path,
) -> None:
    tls = Authority(above=Authority()).issue(tmp_path / "tls", "cassandra")
    identity = tls["service_key"].read_text() + tls["service_certificate"].read_text()
    async with (
        cassandra_ring(in_memory=True, identity=identity, logins=True) as ring,
        directory_keyspace(ring.nodes[0].point) as place,
        running_parts(tmp_path, **place.settings, cassandra_ca=str(tls["service_ca"])) as parts,
    ):
        await _is_reached_over_tls(place.point)
        await _is_told_nothing_without_a_certificate_of_the_authority(place, tmp_path / "other")
        cast = Cast(parts)
        alice, bob, carol = await cast.users("alice", "bob", "carol")
        channel = await alice.group(bob)
        await ring.nodes[0].kill()
        for attempt in (
            alice.channels(),
            alice.authorize(channel.channel_id),
            alice.group(bob),
            alice.add(channel.channel_id, carol),
            cast.server.upsert(user_pb2.UserProfile(user_id="dave")),
        ):
            begun = time.monotonic()
            with pytest.raises(Unavailable):
                await attempt
            assert time.monotonic() - begun < CALL_SECONDS
        await ring.nodes[0].start()

        async def answers() -> bool:
            try:
                await alice.add(channel.channel_id, carol)
            except TertuliaError as error:
                assert reason(error).startswith("UNAVAILABLE"), error  # noqa: PT017 - nothing else may come meanwhile
                return False
            return True

        await until(answers, "the channel service answers again")
        await _is_reached_over_tls(place.point)
        assert await assert_consistent(parts, cast, channel, [alice, bob, carol]) == 2


async def _is_reached_over_tls(point: ContactPoint) -> None:
    async with cql(point) as connection:
        clients = await connection.query("SELECT driver_name, ssl_protocol FROM system_views.clients")
    assert {protocol for driver, protocol in clients if driver is not None} == {b"TLSv1.3"}


async def _is_told_nothing_without_a_certificate_of_the_authority(place: Keyspace, folder: Path) -> None:
    another = Authority().issue(folder, "another")["service_ca"]
    with structlog.testing.capture_logs() as logs, pytest.raises(TimeoutError):
        async with asyncio.timeout(1), cassandra_session([NodeAddress(*place.point)], place.name, authority=another):
            raise AssertionError("it is connected")
    assert "CERTIFICATE_VERIFY_FAILED" in logs[0]["error"]
