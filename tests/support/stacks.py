"""The ways to run Tertulia on which every end-to-end story is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tertulia.tokens import Secret

from tests.support.applications import create_application
from tests.support.log_keyspace import LogKeyspace
from tests.support.separate import separate_stack
from tests.support.stack import ServeStack, Stack, running_stack

SERVE, SEPARATE = "serve-on-sqlite", "separate-on-cassandra"

# Each way in one worker, so that its stack is started once per file, not once per file and worker.
BOTH = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in (SERVE, SEPARATE)]
"""For the `params` of a fixture."""


@asynccontextmanager
async def stack_of(request: pytest.FixtureRequest, folder: Path, *, gateways: int = 1) -> AsyncIterator[Stack]:
    """The stack of a fixture with `params=BOTH`, with its data and logs in `folder`."""
    if request.param == SERVE:
        async with serve_stack(folder, gateways=gateways) as stack:
            yield stack
    else:
        keyspace: LogKeyspace = request.getfixturevalue("everything_in_cassandra")
        await keyspace.renew()
        async with separate_stack(folder, keyspace, gateways=gateways) as separate:
            yield separate


@asynccontextmanager
async def serve_stack(folder: Path, *, gateways: int = 1) -> AsyncIterator[ServeStack]:
    """`tertulia serve` with another application beside the development one."""
    another = await _another_application(folder / "data")
    async with running_stack(folder / "data", "--gateways", str(gateways), another=another) as stack:
        yield stack


async def _another_application(data: Path) -> Secret:
    """In the database of a stack that is still to be started: while its channel service runs, nobody else opens it."""
    channels, logs = data / "channel", data / "message_store"
    for folder in (channels, logs):
        folder.mkdir(parents=True)
    (logs / "logs.sqlite").touch()  # `serve` does not begin channels anew whose logs are missing; these are empty
    return await create_application("another", database=str(channels / "channel.sqlite"))
