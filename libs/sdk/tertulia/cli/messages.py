"""`tertulia send`, `tail` and `history`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Annotated

import typer
from rich.console import Console

import tertulia
from tertulia.cli.console import complain, iso, message_json, message_text, out, print_json, progress
from tertulia.cli.running import (
    As,
    AsElseApplication,
    ChannelName,
    Json,
    run,
    server,
    user,
    user_or_server,
    wrong_usage,
)

_LOOK_SECONDS = 1.0  # how often `tail` looks for what is new, where there is no user to be told of it
_STANDARD_INPUT = "-"


def send(
    name: ChannelName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say; - is what standard input holds.")],
    as_user: As,
    reply_to: Annotated[int | None, typer.Option(min=1, help="The seq of the message that it answers.")] = None,
    mention: Annotated[
        list[str] | None, typer.Option(metavar="USER", help="Who is mentioned; may be repeated.")
    ] = None,
    message_id: Annotated[
        str,
        typer.Option(
            "--id", help="Its client message id. Sent again under it within 1,000 events, it takes effect once."
        ),
    ] = "",
    json: Json = False,
) -> None:
    """Say something in a channel. Returns once it is durable."""
    text = text_of(text)

    async def main() -> None:
        async with user(as_user) as client:
            sent = await client.send(
                name, text, reply_to=reply_to or 0, mentions=mention or (), client_message_id=message_id
            )
        if json:
            print_json(
                {
                    "channel": name,
                    "seq": sent.seq,
                    "time": iso(sent.time_ms),
                    "state": "sent",
                    "time_ms": sent.time_ms,
                    "client_message_id": sent.client_message_id,
                }
            )
        else:
            typer.echo(f"sent as {sent.seq}")

    run(main())


def text_of(text: str) -> str:
    """The text that an argument means. Ends the command where it is not UTF-8."""
    try:
        if text == _STANDARD_INPUT:
            return sys.stdin.buffer.read().decode().rstrip("\r\n")
        text.encode()  # Python keeps bytes of an argument that are not UTF-8 as halves of surrogate pairs
    except UnicodeError:
        raise wrong_usage("the text is not UTF-8") from None
    return text


def history(
    name: ChannelName,
    as_user: AsElseApplication = "",
    last: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the newest N of them.")] = None,
    after: Annotated[int, typer.Option(min=0, metavar="SEQ", help="Only those after this one.")] = 0,
    before: Annotated[int | None, typer.Option(min=1, metavar="SEQ", help="Only those before this one.")] = None,
    json: Json = False,
) -> None:
    """Print the messages of a channel, the oldest first."""

    async def main() -> None:
        console = out()
        async with user_or_server(as_user) as client:
            if last is not None:
                newest = await _newest(client, name, last, after, before)
                for message in newest:
                    _print(message, console, json, seq=True)
                return
            with progress(quiet=console.is_terminal) as bar:
                task = bar.add_task(f"messages of {name}", total=await client.messages.head(name))
                async for message in client.messages.oldest_first(name, after=after):
                    if before is not None and message.seq >= before:
                        return
                    _print(message, console, json, seq=True)
                    bar.update(task, completed=message.seq)

    run(main())


async def _newest(
    client: tertulia.Client, name: str, count: int, after: int, before: int | None
) -> list[tertulia.Message]:
    found: list[tertulia.Message] = []
    async for message in client.messages.newest_first(name, before=before):
        if message.seq <= after:
            break
        found.append(message)
        if len(found) == count:
            break
    return found[::-1]


def tail(
    name: ChannelName,
    as_user: AsElseApplication = "",
    after: Annotated[
        int | None,
        typer.Option(min=0, metavar="SEQ", help="Begin with the messages after this one; else with what is new."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Stop after so many messages.")] = None,
    json: Json = False,
) -> None:
    """Print messages as they come, until Ctrl-C (exit code 130) or --limit (0). Nothing is left out when the connection
    breaks."""

    async def main() -> None:
        console = out()
        left = limit if limit is not None else -1
        async with user(as_user, listens=True) if as_user else server() as client:
            await client.channels.get(name)
            coming = _as_told(client, name, after) if as_user else _as_looked_up(client, name, after)
            async for message in coming:
                _print(message, console, json)
                left -= 1
                if left == 0:
                    return

    run(main())


async def _as_told(client: tertulia.Client, name: str, after: int | None) -> AsyncIterator[tertulia.Message]:
    """What comes in on a user's session."""
    told = 0
    if after is not None:
        told = after
        async for message in client.messages.oldest_first(name, after=after):
            yield message
            told = message.seq
    async for event in client.events():
        match event:
            case tertulia.MessageReceived(message) if message.channel_id == name and message.seq > told:
                yield message
            case tertulia.ChannelLeft(channel_id) if channel_id == name:
                raise tertulia.NotFound(f"{client.user_id} is no member of {name} any more", "CHANNEL_NOT_FOUND")
            case tertulia.ConnectionChanged(tertulia.ConnectionState.CONNECTING):
                complain("connection lost, trying again")
            case tertulia.ConnectionChanged(tertulia.ConnectionState.ONLINE):
                complain(f"listening to {name}")


async def _as_looked_up(client: tertulia.Client, name: str, after: int | None) -> AsyncIterator[tertulia.Message]:
    """An application's session is told of no channel, so it has to look."""
    told = await client.messages.head(name) if after is None else after
    complain(f"listening to {name}")
    while True:
        async for message in client.messages.oldest_first(name, after=told):
            yield message
            told = message.seq
        await asyncio.sleep(_LOOK_SECONDS)


def _print(message: tertulia.Message, console: Console, json: bool, seq: bool = False) -> None:
    if json:
        print_json(message_json(message))
    else:
        console.print(message_text(message, seq=seq))
