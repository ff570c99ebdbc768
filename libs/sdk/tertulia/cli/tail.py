"""`tertulia tail`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

import tertulia
from tertulia.chat.v1 import message_pb2
from tertulia.cli.chat_words import told
from tertulia.cli.console import complain, log_event_json, message_json, message_text, out, print_json, safe
from tertulia.cli.running import MAX_SEQ, AsElseApplication, ChannelName, Json, run, server, user
from tertulia.log_events import log_event_from

_LOOK_SECONDS = 1.0  # how often it looks for what is new, where there is no user to be told of it
_PAGE_EVENTS = 200

Told = tertulia.MessageReceived | tertulia.MessageEdited | tertulia.MessageDeleted | tertulia.ReactionChanged
"""What is printed: messages, and what becomes of them."""


def tail(
    name: ChannelName,
    as_user: AsElseApplication = "",
    after: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_SEQ, metavar="SEQ", help="Begin with the messages after this one; else with what is new."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Stop after so many messages.")] = None,
    json: Json = False,
) -> None:
    """Print messages as they come, and what is edited, deleted and reacted, until Ctrl-C (exit code 130) or --limit (0).
    Nothing is left out when the connection breaks.

    With --json a line with "event" ("edited", "deleted", "reaction") tells of the message whose seq is its "target"; a line
    without it is a message.
    """

    async def main() -> None:
        console = out()
        left = limit if limit is not None else -1
        async with user(as_user, listens=True) if as_user else server() as client:
            await client.channels.get(name)
            coming = _as_told(client, name, after) if as_user else _as_looked_up(client, name, after)
            async for event in coming:
                _print(event, console, json)
                left -= isinstance(event, tertulia.MessageReceived)
                if left == 0:
                    return

    run(main())


async def _as_told(client: tertulia.Client, name: str, after: int | None) -> AsyncIterator[Told]:
    """What comes in on a user's session."""
    seen = 0
    if after is not None:
        seen = after
        async for message in client.messages.oldest_first(name, after=after):
            yield tertulia.MessageReceived(message)
            seen = message.seq
    async for event in client.events():
        match event:
            case tertulia.ChannelLeft(channel_id) if channel_id == name:
                raise tertulia.NotFound(f"{client.user_id} is no member of {name} any more", "CHANNEL_NOT_FOUND")
            case tertulia.ChannelDeleted() if event.channel_id == name:
                raise tertulia.NotFound(f"{name} was deleted", "CHANNEL_NOT_FOUND")
            case tertulia.ConnectionChanged(tertulia.ConnectionState.CONNECTING):
                complain("connection lost, trying again")
            case tertulia.ConnectionChanged(tertulia.ConnectionState.ONLINE):
                complain(f"listening to {name}")
            case _ if isinstance(event, Told) and event.channel_id == name and event.seq > seen:
                yield event


async def _as_looked_up(client: tertulia.Client, name: str, after: int | None) -> AsyncIterator[Told]:
    """An application's session is told of no channel, so it has to look."""
    seen = await client.messages.head(name)
    complain(f"listening to {name}")
    if after is not None:
        async for message in client.messages.oldest_first(name, after=after):
            if message.seq > seen:
                break  # it is among the events
            yield tertulia.MessageReceived(message)
        seen = max(seen, after)
    while True:
        request = message_pb2.ListEventsRequest(channel_id=name, after_seq=seen, page_size=_PAGE_EVENTS)
        page = (await client.call("MessageService/ListEvents", request, message_pb2.ListEventsResponse)).slice
        for each in page.events:
            event = log_event_from(name, each)
            if isinstance(event, Told):
                yield event
        seen = max(seen, page.to_seq)
        if seen >= page.head_seq:
            await asyncio.sleep(_LOOK_SECONDS)


def _print(event: Told, console: Console, json: bool) -> None:
    if isinstance(event, tertulia.MessageReceived):
        if json:
            print_json(message_json(event.message))
        else:
            console.print(message_text(event.message, seq=True))
    elif json:
        print_json(log_event_json(event))
    elif (line := told(event, {})) is not None:
        console.print(Text(f"— {safe(line)}", style="dim"))
