"""Other applications than the development one, made as an operator makes them."""

import asyncio
import os
import sys

from tertulia.tokens import Secret

_SECONDS = 30


async def create_application(name: str, **channel_settings: str) -> Secret:
    """Make an application in the database of those settings; on SQLite while no channel service runs."""
    needed = {"listen": "127.0.0.1:1", "message_store": "127.0.0.1:1", **channel_settings}  # neither is used
    environment = {f"TERTULIA_CHANNEL_{setting.upper()}": value for setting, value in needed.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.channel", "create-application", name),
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(_SECONDS):
        out, _ = await process.communicate()
    assert process.returncode == 0, f"application {name} was not made"
    return Secret.parse(out.decode())
