"""`tertulia send`, `tail` and `history`."""

from typing import Annotated

import typer
from rich.console import Console

import tertulia
from tertulia.cli.console import complain, iso, message_json, message_text, out, print_json, progress
from tertulia.cli.running import As, ChannelName, Json, run, user


def send(
    name: ChannelName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say.", show_default=False)],
    as_user: As,
    reply_to: Annotated[int | None, typer.Option(min=1, help="The seq of the message that it answers.")] = None,
    mention: Annotated[
        list[str] | None, typer.Option(metavar="USER", help="Who is mentioned; may be repeated.")
    ] = None,
    message_id: Annotated[
        str, typer.Option("--id", help="Its client message id. Sent again under the same id, it takes effect once.")
    ] = "",
    json: Json = False,
) -> None:
    """Say something in a channel. Returns once it is durable."""

    async def main() -> None:
        async with user(as_user, event_buffer=1) as client:
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


def history(name: ChannelName, as_user: As, json: Json = False) -> None:
    """Print all messages of a channel, the oldest first."""

    async def main() -> None:
        console = out()
        async with user(as_user, event_buffer=1) as client:
            with progress(quiet=console.is_terminal) as bar:
                task = bar.add_task(f"messages of {name}", total=await client.messages.head(name))
                async for message in client.messages.oldest_first(name):
                    _print(message, console, json)
                    bar.update(task, completed=message.seq)

    run(main())


def tail(
    name: ChannelName,
    as_user: As,
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
        async with user(as_user) as client:
            await client.channels.get(name)
            printed = 0
            if after is not None:
                printed = after
                async for message in client.messages.oldest_first(name, after=after):
                    _print(message, console, json)
                    printed = message.seq
                    left -= 1
                    if left == 0:
                        return
            async for event in client.events():
                match event:
                    case tertulia.MessageReceived(message) if message.channel_id == name and message.seq > printed:
                        _print(message, console, json)
                        left -= 1
                        if left == 0:
                            return
                    case tertulia.ChannelLeft(channel_id) if channel_id == name:
                        raise tertulia.NotFound(f"{as_user} is no member of {name} any more", "CHANNEL_NOT_FOUND")
                    case tertulia.ConnectionChanged(tertulia.ConnectionState.CONNECTING, detail):
                        complain(f"connection lost, trying again: {detail}")
                    case tertulia.ConnectionChanged(tertulia.ConnectionState.ONLINE):
                        complain(f"listening to {name}")

    run(main())


def _print(message: tertulia.Message, console: Console, json: bool) -> None:
    if json:
        print_json(message_json(message))
    else:
        console.print(message_text(message))
