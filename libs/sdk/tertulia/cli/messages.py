"""`tertulia send` and `history`; `tail` is in `tail.py`."""

import sys
from typing import Annotated

import typer
from rich.console import Console

import tertulia
from tertulia.cli.console import iso, message_json, message_text, out, print_json, progress
from tertulia.cli.running import (
    MAX_SEQ,
    As,
    AsElseApplication,
    ChannelName,
    Json,
    run,
    user,
    user_or_server,
    wrong_usage,
)

_STANDARD_INPUT = "-"


def send(
    name: ChannelName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say; - is what standard input holds.")],
    as_user: As,
    reply_to: Annotated[
        int | None, typer.Option(min=1, max=MAX_SEQ, help="The seq of the message that it answers.")
    ] = None,
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
    after: Annotated[int, typer.Option(min=0, max=MAX_SEQ, metavar="SEQ", help="Only those after this one.")] = 0,
    before: Annotated[
        int | None, typer.Option(min=1, max=MAX_SEQ, metavar="SEQ", help="Only those before this one.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the messages of a channel, the oldest first."""

    async def main() -> None:
        console = out()
        async with user_or_server(as_user) as client:
            if last is not None:
                newest = await _newest(client, name, last, after, before)
                for message in newest:
                    _print(message, console, json)
                return
            with progress(quiet=console.is_terminal) as bar:
                task = bar.add_task(f"messages of {name}", total=await client.messages.head(name))
                async for message in client.messages.oldest_first(name, after=after):
                    if before is not None and message.seq >= before:
                        return
                    _print(message, console, json)
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


def _print(message: tertulia.Message, console: Console, json: bool) -> None:
    if json:
        print_json(message_json(message))
    else:
        console.print(message_text(message, seq=True))
