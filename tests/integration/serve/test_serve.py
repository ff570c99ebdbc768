"""`tertulia serve` as a person runs it."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import psutil
import pytest
import tertulia
from tertulia.chat.v1 import channel_pb2
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from services.serve.ready import grpc_serving
from tests.support.api import Refusal, api
from tests.support.ports import answers, until
from tests.support.stack import COMMAND, SERVICES, Stack, running_stack

_SECRET = Secret.parse(DEVELOPMENT_SECRET)
PARTS = ("nats-server", *SERVICES)


def children_of(stack: Stack) -> dict[str, int]:
    return {part: stack.pid(part) for part in PARTS}


def alive(pids: dict[str, int]) -> list[str]:
    return [part for part, pid in pids.items() if psutil.pid_exists(pid)]


async def serve(*arguments: str, stderr: int = asyncio.subprocess.PIPE) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        COMMAND,
        "serve",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
    )


async def refusal(*arguments: str) -> str:
    """What is said on standard error when it cannot start."""
    process = await serve(*arguments)
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 1
    assert out == b""
    assert b"Traceback" not in err
    return err.decode()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_ready_once_has_two_who_can_talk_and_leaves_no_process_behind(
    tmp_path: Path, signal_number: signal.Signals
) -> None:
    process = await serve("--port", "0", "--data", str(tmp_path / "data"))
    assert process.stdout is not None
    async with asyncio.timeout(60):
        line = await process.stdout.readline()
        assert line.startswith(b"ready ")
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == len(PARTS)
        async with tertulia.connect(line.split()[2].decode(), token=_SECRET.user_token("bob")) as bob:
            assert [channel.peer async for channel in bob.channels.mine()] == ["alice"]
        process.send_signal(signal_number)
        out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "stopping …\n")
    _, *links = out.decode().splitlines()
    assert [link.split("/#")[1].split("&")[0] for link in links] == ["user=alice", "user=bob"]
    assert not any(child.is_running() for child in children)
    assert sorted(log.name for log in (tmp_path / "data" / "logs").iterdir()) == sorted(f"{p}.log" for p in PARTS)


async def test_it_stops_when_nobody_reads_what_it_says_any_more(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    process = await serve("--port", "0", "--data", str(tmp_path / "data"), stderr=writing)
    os.close(writing)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert (await process.stdout.readline()).startswith(b"ready ")
        children = psutil.Process(process.pid).children(recursive=True)
        os.close(reading)
        process.send_signal(signal.SIGTERM)
        await process.wait()
    assert not any(child.is_running() for child in children)


async def test_what_dies_is_started_again_in_the_same_place_and_knows_what_it_knew(tmp_path: Path) -> None:
    async with running_stack(tmp_path / "data") as stack, api(stack.address) as client:
        old = client.user("ann")
        [revoked] = await stack.json("users", "revoke", "ann")
        assert (revoked["user"], revoked["session"]) == ("ann", "")
        before = children_of(stack)
        nats_port = psutil.Process(before["nats-server"]).net_connections(kind="tcp")[0].laddr.port
        for part in PARTS:
            os.kill(before[part], signal.SIGKILL)

        def all_new() -> bool:
            try:
                return all(pid != before[part] for part, pid in children_of(stack).items())
            except ProcessLookupError:
                return False

        await until(all_new, "every part runs again")
        await until(lambda: answers(nats_port), "NATS is back on its port")
        for service in ("message_store", "channel", "presence"):
            address = f"unix:{tmp_path / 'data' / 'run' / service}.sock"
            await until(grpc_serving(address), f"{service} answers again")
        await until(grpc_serving(stack.address), "the gateway is back at its address")
        answer = await client.attempt(old, "ChannelService/ListMyChannels", channel_pb2.ListMyChannelsRequest())
        assert isinstance(answer, Refusal)
        assert answer.reason == "TOKEN_REVOKED"


async def test_when_the_supervisor_is_killed_its_children_stop_and_the_next_serve_starts(tmp_path: Path) -> None:
    async with running_stack(tmp_path / "data") as stack:
        children = children_of(stack)
        os.kill(stack.supervisor_pid, signal.SIGKILL)
    async with running_stack(tmp_path / "data"):
        assert alive(children) == []


async def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert f"127.0.0.1:{port} is taken" in await refusal("--port", str(port), "--data", str(tmp_path / "data"))


async def test_wrong_settings_of_a_service_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA_PRESENCE_GRACE_SECONDS", "soon")
    message = await refusal("--port", "0", "--data", str(tmp_path / "data"))
    assert message.startswith("error: presence")
    assert "grace_seconds" in message
    assert len(message.splitlines()) == 1
