"""No log holds what lets somebody in, or what people said. It comes last in this folder: what the tests before it did is in the logs."""

import re
import secrets
from pathlib import Path

import pytest
from tertulia.chat.v1 import channel_pb2, message_pb2

from tests.e2e.security.scene import Scene, send
from tests.support.api import Refusal, bearer
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="package")

_TOKEN = re.compile(r"eyJ[\w-]{10,}\.[\w-]+\.[\w-]+|[Bb]earer ")


async def test_no_secret_no_token_and_nothing_that_was_said_is_in_a_log(
    scene: Scene, stack: Stack, folder: Path
) -> None:
    said = f"between you and me {secrets.token_hex(8)}"
    await scene.api.call(
        scene.as_("alice"), "MessageService/SendMessage", send(scene.id("group"), said), message_pb2.SendMessageResponse
    )
    good = dict(scene.as_("alice"))["authorization"].removeprefix("Bearer ")
    request = channel_pb2.GetChannelRequest(channel_id=scene.id("group"))
    for token in (f"{good}x", good[:-8], good.replace(".", "", 1), scene.api.secret.text):
        assert isinstance(await scene.api.attempt(bearer(token), "ChannelService/GetChannel", request), Refusal)
    written = _written(folder)
    for service in ("gateway", "channel", "message_store", "presence"):
        assert f'"service":"{service}"' in written, "these are their logs"
    for secret in (scene.api.secret.text, scene.foreign.text, *stack.passwords, said):
        assert secret not in written
    assert not _TOKEN.search(written)


def _written(folder: Path) -> str:
    logs = [path for path in folder.rglob("*") if path.suffix == ".log" or path.name == "serve.stderr"]
    return "".join(path.read_text(errors="replace") for path in logs)
