"""`tertulia chat`: a conversation in the terminal; with --json, for a script at both ends."""

import sys

import typer

from tertulia.cli.chat_script import ChatScript
from tertulia.cli.running import FAILED, As, ChannelName, Json, run, user, wrong_usage


def chat(name: ChannelName, as_user: As, json: Json = False) -> None:
    """Talk in a channel: what was said last, then what is said now, who is here, who types and who has seen it.

    Ctrl-D leaves (exit code 0), Ctrl-C too (130). With --json each line of standard input is sent, and what happens is
    printed as JSON Lines, up to the last of these messages; a line that is refused is told of by a line with
    "event": "refused", and makes the exit code 1.
    """
    if not json and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise wrong_usage("chat needs a terminal; for scripts there are `chat --json`, `send` and `tail`")

    async def main() -> None:
        async with user(as_user, listens=True) as client:
            await client.channels.get(name)
            if json:
                if not await ChatScript(client, name).run():
                    raise typer.Exit(FAILED)
            else:
                # here, because only this command needs it and it takes 0.1 s to load
                from tertulia.cli.chat_screen import ChatScreen  # noqa: PLC0415

                if await ChatScreen(client, name).run() is False:
                    raise typer.Exit(130)

    run(main())
