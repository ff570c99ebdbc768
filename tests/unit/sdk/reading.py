"""Reading a client's events in a test."""

import asyncio
from typing import TypeVar

import tertulia

from tests.support.ports import until
from tests.unit.sdk.conftest import Connect

E = TypeVar("E", bound=tertulia.ClientEvent)

PATIENCE_SECONDS = 30.0
"""Long enough for a machine that is busy with other tests; what a test waits for takes milliseconds."""


async def next_event(client: tertulia.Client, kind: type[E], seconds: float = PATIENCE_SECONDS) -> E:
    """The next event of a kind; those before it are passed over."""
    async with asyncio.timeout(seconds):
        async for event in client.events():
            if isinstance(event, kind):
                return event
    raise AssertionError("the client was closed")


async def messages_until(
    client: tertulia.Client, text: str, seconds: float = PATIENCE_SECONDS
) -> list[tertulia.Message]:
    """All messages up to the one with this text."""
    messages: list[tertulia.Message] = []
    async with asyncio.timeout(seconds):
        async for event in client.events():
            if isinstance(event, tertulia.MessageReceived):
                messages.append(event.message)
                if event.message.text == text:
                    break
    return messages


async def live_is_fresh(client: tertulia.Client, as_user: Connect) -> None:
    """What a client knows of its channels comes to be what a fresh one is told."""

    async def equal() -> bool:
        async with as_user(client.user_id, receipts=False) as fresh:
            return dict(client.joined) == dict(fresh.joined)

    await until(equal, "the channels of a client as those of a fresh one")
