"""The process: how it starts, what it says when it cannot, how it stops."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from tertulia_internal.channel.v1 import access_pb2

from libs.directory.sqlite import sqlite_directory
from libs.rpc.client import call
from libs.rpc.errors import NotFound
from services.channel.secret_string import parse_secret
from tests.integration.channel.parts import running_parts
from tests.integration.channel.people import Cast
from tests.support.key_pairs import ED25519, jwk, key_set, public_bytes

SECONDS = 30


async def command(
    directory: Path, *arguments: str, program: str = "services.channel", **settings: str
) -> tuple[int, str, list[dict[str, str]]]:
    """Run `python -m {program}` to its end: exit code, standard output, and what it logged."""
    values = {
        "listen": f"unix:{directory}/channel",
        "database": str(directory / "channel.sqlite"),
        "message_store": f"unix:{directory}/message_store",
        **settings,
    }
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TERTULIA_")}
    environment |= {f"TERTULIA_CHANNEL_{name.upper()}": value for name, value in values.items() if value}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        program,
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), [json.loads(line) for line in err.splitlines()]


async def test_a_database_that_another_process_holds_is_said_in_one_line(tmp_path: Path) -> None:
    async with sqlite_directory(tmp_path / "channel.sqlite"):
        for arguments in ([], ["create-application", "shop"]):
            code, out, logged = await command(tmp_path, *arguments)
            assert (code, out) == (1, "")
            assert [line["event"] for line in logged] == ["cannot_start"]
            assert "in use by another process" in logged[0]["error"]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"database": ""}, "database"),
        ({"sweep_seconds": "0"}, "sweep_seconds"),
        ({"development": "true", "listen": "0.0.0.0:1", "trust_network": "true"}, "well-known secret"),
        ({"listen": "0.0.0.0:1"}, "listen: without TLS only unix: and loopback addresses are taken"),
    ],
)
async def test_a_wrong_setting_is_said_in_one_line(tmp_path: Path, settings: dict[str, str], complaint: str) -> None:
    code, _, logged = await command(tmp_path, **settings)
    assert code == 1
    assert [line["event"] for line in logged] == ["cannot_start"]
    assert complaint in logged[0]["error"]


async def test_an_application_of_ones_own_has_keys_until_they_are_withdrawn(tmp_path: Path) -> None:
    code, out, _ = await command(tmp_path, "create-application", "shop")
    assert code == 0
    key = parse_secret(out.strip())
    assert key.application_id == "shop"
    assert (await command(tmp_path, "create-application", "shop"))[0] == 1
    assert (await command(tmp_path, "create-application", "sh.op"))[0] == 1
    request = access_pb2.GetKeyRequest(application_id="shop", key_id=key.key_id)
    async with running_parts(tmp_path) as parts:
        first = await call(parts.access.GetKey, request)
        assert (first.secret, first.guests_allowed) == (key.secret, False)
    code, out, _ = await command(tmp_path, "create-key", "shop", "--scope", "read", "--scope", "users")
    assert code == 0
    next_key = parse_secret(out.strip())
    assert (await command(tmp_path, "create-key", "other"))[0] == 1
    assert (await command(tmp_path, "guests", "other", "on"))[0] == 1
    assert (await command(tmp_path, "guests", "shop", "on"))[0] == 0
    next_request = access_pb2.GetKeyRequest(application_id="shop", key_id=next_key.key_id)
    async with running_parts(tmp_path) as parts:
        first, second = [await call(parts.access.GetKey, each) for each in (request, next_request)]
        assert (first.secret, second.secret) == (key.secret, next_key.secret)
        assert len(first.scopes) == 4, "all that there are"
        assert (first.guests_allowed, second.guests_allowed) == (True, True)
        assert set(second.scopes) == {access_pb2.KEY_SCOPE_READ, access_pb2.KEY_SCOPE_USERS}
    assert (await command(tmp_path, "withdraw-key", "shop", key.key_id))[0] == 0
    assert (await command(tmp_path, "withdraw-key", "shop", "other"))[0] == 1
    assert (await command(tmp_path, "guests", "shop", "off"))[0] == 0
    async with running_parts(tmp_path) as parts:
        second = await call(parts.access.GetKey, next_request)
        assert (second.secret, second.guests_allowed) == (next_key.secret, False)
        with pytest.raises(NotFound):
            await call(parts.access.GetKey, request)


async def test_a_public_key_is_told_as_one(tmp_path: Path) -> None:
    key_set_file = tmp_path / "keys.json"
    key_set_file.write_text(key_set(jwk("signing", ED25519)))
    database_alone = {"listen": "", "message_store": ""}  # no more is known where there is no service
    await command(tmp_path, "create-application", "shop", **database_alone)
    adding = await command(tmp_path, "add-public-keys", "shop", str(key_set_file), **database_alone)
    assert adding[:2] == (0, "signing\n")
    async with running_parts(tmp_path) as parts:
        response = await call(parts.access.GetKey, access_pb2.GetKeyRequest(application_id="shop", key_id="signing"))
    assert response.public_key == public_bytes(ED25519)
    assert not response.secret


async def test_the_development_key_is_gone_once_it_is_not_asked_for(tmp_path: Path) -> None:
    request = access_pb2.GetKeyRequest(application_id="dev", key_id="dev")
    async with running_parts(tmp_path) as parts:
        assert (await call(parts.access.GetKey, request)).secret
    async with running_parts(tmp_path, development="false") as parts:
        with pytest.raises(NotFound):
            await call(parts.access.GetKey, request)


async def test_told_to_stop_it_finishes_what_is_open(tmp_path: Path) -> None:
    async with running_parts(tmp_path) as parts:
        cast = Cast(parts)
        alice, bob = await cast.users("alice", "bob")
        appending, go_on = asyncio.Event(), asyncio.Event()

        async def slow(_request: object) -> None:
            appending.set()
            await go_on.wait()

        parts.link.before = slow
        creating = asyncio.create_task(alice.group(bob))
        await appending.wait()
        stopping = asyncio.create_task(parts.channel.stop())
        go_on.set()
        assert (await creating).member_count == 2
        assert await stopping == 0
