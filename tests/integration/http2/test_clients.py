"""The gRPC libraries that people use find here what they expect: one scenario, told by grpcio, grpc-js and grpc-go."""

import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.integration.http2.echo import REFUSAL, Handlers, echoing
from tests.support.backends import NoBackend, skip_without

CLIENTS = Path(__file__).parent / "clients"
_BUILD_SECONDS = 900
_SCENARIO_SECONDS = 90
Command = list[str]

EXPECTED = {
    "small": True,
    "large": True,
    "stream": True,
    "stream_status": 0,
    "flood": True,
    "flood_status": 0,
    "refused": [5, REFUSAL.message],
    "details": True,
    "unknown": 12,
    "compressed": 12,
    "deadline": 4,
    "too_large": 8,
    "cancelled": 1,
    "after": True,
    "drained": 0,
}


async def grpcio() -> Command:
    return [sys.executable, str(CLIENTS / "grpcio_client.py")]


async def grpc_js() -> Command:
    npm, node, folder = _tool("npm"), _tool("node"), CLIENTS / "js"
    if not (folder / "node_modules" / "@grpc" / "grpc-js" / "package.json").exists():
        await _build(folder, npm, "install", "--no-package-lock", "--no-audit", "--no-fund")
    return [node, str(folder / "client.js")]


async def grpc_go() -> Command:
    folder = CLIENTS / "go"
    await _build(folder, _tool("go"), "build", "-o", "client", ".")
    return [str(folder / "client")]


@pytest.mark.timeout(_BUILD_SECONDS + _SCENARIO_SECONDS)
@pytest.mark.xdist_group("http2-clients")
@pytest.mark.parametrize("library", [grpcio, grpc_js, grpc_go])
async def test_a_client_finds_what_it_expects(library: Callable[[], Awaitable[Command]], handlers: Handlers) -> None:
    try:
        command = await library()
    except NoBackend as error:
        skip_without(error)
    serving = echoing(handlers, drain_seconds=30)
    address = await serving.__aenter__()
    process = await asyncio.create_subprocess_exec(*command, address, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_SCENARIO_SECONDS):
            assert await process.stdout.readline() == b"waiting\n"
            handlers.gone.clear()
            stopping = asyncio.create_task(serving.__aexit__(None, None, None))
            await asyncio.sleep(0)
            handlers.go.set()
            found = json.loads(await process.stdout.read())
            await process.wait()
            await stopping
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert found == EXPECTED


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise NoBackend(f"no {name} on this machine")
    return path


async def _build(folder: Path, *command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(_BUILD_SECONDS):
        said, _ = await process.communicate()
    if process.returncode:
        raise NoBackend(f"{' '.join(command)}: {said.decode()[-500:]}")
