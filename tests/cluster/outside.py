"""How this machine comes to the gateways of the cluster, and what somebody does there by the command line."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.cluster.kubectl import items, kubectl

_COMMAND = Path(sys.executable).with_name("tertulia")
_DOOR: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "gateway-outside"},
    "spec": {
        "type": "NodePort",
        "selector": {"app.kubernetes.io/name": "gateway"},
        "ports": [{"name": "grpc", "port": 7420, "targetPort": "grpc"}],
    },
}


@asynccontextmanager
async def door() -> AsyncIterator[str]:
    """Addresses of the gateways, one for each node, while the body runs."""
    await kubectl("apply", "-f", "-", manifest=json.dumps(_DOOR))
    try:
        service = json.loads(await kubectl("get", "service", "gateway-outside", "-o", "json"))
        port = service["spec"]["ports"][0]["nodePort"]
        yield ",".join(
            f"{address['address']}:{port}"
            for node in await items("nodes")
            for address in node["status"]["addresses"]
            if address["type"] == "InternalIP"
        )
    finally:
        await kubectl("delete", "service", "gateway-outside")


async def new_application() -> str:
    """The secret of an application that nobody else has."""
    name = f"trial-{secrets.token_hex(4)}"
    made = await kubectl("exec", "deploy/channel", "--", "python", "-m", "services.channel", "create-application", name)
    return made.strip()


async def conversation(address: str, secret: str) -> None:
    """Two people talk by the command line.

    Raises:
        AssertionError: they did not read what they had said.
    """
    environment = {**os.environ, "TERTULIA_ADDRESS": address, "TERTULIA_SECRET": secret}

    async def tertulia(*words: str) -> str:
        done = await asyncio.to_thread(
            subprocess.run, [str(_COMMAND), *words], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, f"tertulia {' '.join(words)}: {done.stderr}"
        return done.stdout

    await tertulia("channels", "create", "agora", "--kind", "group", "--members", "alice,bob", "--as", "alice")
    await tertulia("send", "agora", "is anybody here?", "--as", "alice")
    await tertulia("send", "agora", "I am", "--as", "bob")
    read = await tertulia("history", "agora", "--as", "alice")
    assert "is anybody here?" in read, read
    assert "I am" in read, read
