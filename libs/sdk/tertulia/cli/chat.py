"""`tertulia chat`: a conversation in the terminal; with --json, for a script at both ends."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator

import typer

import tertulia
from tertulia.cli.console import complain, message_json, print_json
from tertulia.cli.running import As, ChannelName, Json, run, user, wrong_usage

_LINES_WAITING = 1_000  # of standard input, before its reader waits


def chat(name: ChannelName, as_user: As, json: Json = False) -> None:
    """Talk in a channel: what was said last, then what is said now, who is here, who types and who has seen it.

    Ctrl-D leaves (exit code 0), Ctrl-C too (130). With --json each line of standard input is sent, and what happens is
    printed as JSON Lines; it ends with standard input.
    """
    if not json and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise wrong_usage("chat needs a terminal; for scripts there are `chat --json`, `send` and `tail`")

    async def main() -> None:
        async with user(as_user) as client:
            await client.channels.get(name)
            if json:
                await _scripted(client, name)
            else:
                # here, because only this command needs it and it takes 0.1 s to load
                from tertulia.cli.chat_screen import ChatScreen  # noqa: PLC0415

                if await ChatScreen(client, name).run() is False:
                    raise typer.Exit(130)

    run(main())


async def _scripted(client: tertulia.Client, name: str) -> None:
    async def tell() -> None:
        async for event in client.events():
            line = _event_json(event, name)
            if line is not None:
                print_json(line)

    telling = asyncio.create_task(tell())
    try:
        async for text in _standard_input():
            if text:
                await client.send(name, text)
    finally:
        telling.cancel()
        await asyncio.wait([telling])


async def _standard_input() -> AsyncIterator[str]:
    """Lines of standard input, read in a thread: it may be a file, a pipe or a terminal, and reading may never return."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    room = threading.Semaphore(_LINES_WAITING)

    def read() -> None:
        for line in sys.stdin:
            room.acquire()
            loop.call_soon_threadsafe(lines.put_nowait, line.rstrip("\n"))
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        room.release()
        yield line


def _event_json(event: tertulia.ClientEvent, name: str) -> dict[str, object] | None:
    match event:
        case tertulia.MessageReceived(message) if message.channel_id == name:
            return {"event": "message", **message_json(message)}
        case tertulia.MembershipChanged() if event.channel_id == name:
            return {"event": "members", "seq": event.seq, "added": list(event.added), "removed": list(event.removed)}
        case tertulia.TypingChanged() if event.channel_id == name:
            return {"event": "typing", "user": event.user_id, "active": event.active}
        case tertulia.ReadChanged() if event.channel_id == name:
            return {"event": "read", "user": event.user_id, "seq": event.seq}
        case tertulia.ConnectionChanged(state, detail):
            return {"event": "connection", "state": state.value, "detail": detail}
        case tertulia.ChannelLeft(channel_id) if channel_id == name:
            complain(f"you are no member of {name} any more")
            return {"event": "left"}
    return None
