"""`tertulia chat --json`: lines of standard input are sent, what happens is printed."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator

import tertulia
from tertulia.cli.console import complain, log_event_json, print_json
from tertulia.cli.refusals import explained

_LINES_WAITING = 1_000  # of standard input, before its reader waits
_LAST_SECONDS = 30.0  # how long what was sent last may take to come back


class ChatScript:
    """A script's conversation in one channel."""

    def __init__(self, client: tertulia.Client, channel_id: str) -> None:
        self._client = client
        self._channel_id = channel_id
        self._sent_seq = 0
        self._told_seq = 0
        self._told = asyncio.Event()  # something was told, or nothing more will be
        self._left = False
        self._all_taken = True

    async def run(self) -> bool:
        """Talk until standard input ends, and tell of everything up to what was sent last.

        Answers whether every line was taken.

        Raises:
            TertuliaError: the session is over for good, or the server did not answer.
        """
        telling = asyncio.create_task(self._tell())
        talking = asyncio.create_task(self._talk())
        try:
            await asyncio.wait((telling, talking), return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
            await talking
        finally:
            telling.cancel()
            talking.cancel()
            await asyncio.gather(telling, talking, return_exceptions=True)
        return self._all_taken

    async def _talk(self) -> None:
        async for line in _standard_input():
            await self._send(line)
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                while self._told_seq < self._sent_seq and not self._left:
                    self._told.clear()
                    await self._told.wait()
        except TimeoutError:
            complain(f"the message {self._sent_seq} was sent and did not come back within {_LAST_SECONDS:g} s")

    async def _send(self, line: bytes) -> None:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            self._refused(line.decode(errors="replace"), "NOT_UTF8", "the line is not UTF-8")
            return
        if not text.strip():
            return
        try:
            self._sent_seq = (await self._client.send(self._channel_id, text)).seq
        except tertulia.Refused as error:
            if error.retryable or self._client.state is tertulia.ConnectionState.CLOSED:
                raise  # not this line is at fault
            self._refused(text, error.reason, explained(error))

    def _refused(self, text: str, reason: str, message: str) -> None:
        self._all_taken = False
        print_json({"event": "refused", "text": text, "reason": reason, "message": message})
        complain(message)

    async def _tell(self) -> None:
        async for event in self._client.events():
            line = _event_json(event, self._channel_id)
            if line is not None:
                print_json(line)
            match event:
                case tertulia.MessageReceived(message) if message.channel_id == self._channel_id:
                    self._told_seq = message.seq
                    self._told.set()
                case tertulia.ChannelLeft(channel_id) if channel_id == self._channel_id:
                    complain(f"you are no member of {channel_id} any more")
                    self._left = True
                    self._told.set()
                case tertulia.ChannelDeleted() if event.channel_id == self._channel_id:
                    complain(f"{event.channel_id} was deleted")
                    self._left = True
                    self._told.set()
                case tertulia.ChannelJoined() if event.channel_id == self._channel_id:
                    self._left = False


async def _standard_input() -> AsyncIterator[bytes]:
    """Lines of standard input, read in a thread: it may be a file, a pipe or a terminal, and reading may never return."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()
    room = threading.Semaphore(_LINES_WAITING)

    def read() -> None:
        for line in sys.stdin.buffer:
            room.acquire()
            loop.call_soon_threadsafe(lines.put_nowait, line.rstrip(b"\r\n"))
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        room.release()
        yield line


def _event_json(event: tertulia.ClientEvent, name: str) -> dict[str, object] | None:
    if isinstance(event, tertulia.LogEvent):
        return log_event_json(event) if event.channel_id == name else None
    match event:
        case tertulia.TypingChanged() if event.channel_id == name:
            return {"event": "typing", "user": event.user_id, "active": event.active}
        case tertulia.ReadChanged() if event.channel_id == name:
            return {"event": "read", "user": event.user_id, "seq": event.seq}
        case tertulia.DeliveredChanged() if event.channel_id == name:
            return {"event": "delivered", "user": event.user_id, "seq": event.seq}
        case tertulia.ConnectionChanged(state, detail):
            return {"event": "connection", "state": state.value, "detail": detail}
        case tertulia.ChannelLeft(channel_id) if channel_id == name:
            return {"event": "left"}
    return None
