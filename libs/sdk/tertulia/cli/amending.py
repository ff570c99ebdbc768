"""`tertulia edit`, `delete`, `react`, `unreact` and `read`: what is done to messages that were said."""

from typing import Annotated

import typer

import tertulia
from tertulia.cli.console import iso, print_json
from tertulia.cli.messages import text_of
from tertulia.cli.running import MAX_SEQ, As, AsElseApplication, ChannelName, Json, run, user, user_or_server

Seq = Annotated[int, typer.Argument(metavar="SEQ", min=1, max=MAX_SEQ, help="The message's seq.", show_default=False)]
Key = Annotated[str, typer.Argument(metavar="KEY", help="An emoji, or a name of your own.", show_default=False)]


def edit(
    name: ChannelName,
    seq: Seq,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The new text; - is what standard input holds.")],
    as_user: AsElseApplication = "",
    mention: Annotated[
        list[str] | None, typer.Option(metavar="USER", help="Who is mentioned now; may be repeated.")
    ] = None,
    json: Json = False,
) -> None:
    """Give a message another text: one's own, or as the application any."""
    text = text_of(text)

    async def main() -> None:
        async with user_or_server(as_user) as client:
            _print(name, seq, "edited", await client.edit(name, seq, text, mentions=mention or ()), json)

    run(main())


def delete(name: ChannelName, seq: Seq, as_user: AsElseApplication = "", json: Json = False) -> None:
    """Delete a message for everybody and for ever: one's own, or as an operator, an owner or the application any."""

    async def main() -> None:
        async with user_or_server(as_user) as client:
            _print(name, seq, "deleted", await client.delete(name, seq), json)

    run(main())


def react(name: ChannelName, seq: Seq, key: Key, as_user: As, json: Json = False) -> None:
    """React to a message."""

    async def main() -> None:
        async with user(as_user) as client:
            _print(name, seq, "reacted", await client.react(name, seq, key), json)

    run(main())


def unreact(name: ChannelName, seq: Seq, key: Key, as_user: As, json: Json = False) -> None:
    """Take a reaction back."""

    async def main() -> None:
        async with user(as_user) as client:
            _print(name, seq, "taken back", await client.unreact(name, seq, key), json)

    run(main())


def read(
    name: ChannelName,
    as_user: As,
    up_to: Annotated[
        int | None,
        typer.Option("--up-to", min=1, max=MAX_SEQ, metavar="SEQ", help="Read up to this one; else to the end."),
    ] = None,
    json: Json = False,
) -> None:
    """Say that one has read a channel. A position never goes back."""

    async def main() -> None:
        async with user(as_user) as client:
            position = await client.channels.mark_read(name, up_to or await client.messages.head(name))
        if json:
            print_json({"channel": name, "user": as_user, "read_seq": position})
        else:
            typer.echo(f"read up to {position}")

    run(main())


def _print(name: str, target: int, what: str, done: tertulia.Changed, json: bool) -> None:
    if json:
        print_json(
            {"channel": name, "target": target, "done": what, "seq": done.seq, "time": iso(done.time_ms)}
            | {"time_ms": done.time_ms}
        )
    else:
        typer.echo(f"{what}: {target}")
