"""The screen of `tertulia chat`: messages scroll above a line to type in, with a line of state below it. What is still on
its way stands right above the line to type in.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.text import Text

import tertulia
from tertulia.actor import SEND_SECONDS
from tertulia.cli.chat_state import ChatState
from tertulia.cli.chat_words import (
    HELP,
    LAST,
    Command,
    Delete,
    Edit,
    Line,
    NotUnderstood,
    React,
    Say,
    is_being_said,
    told,
    understood,
)
from tertulia.cli.console import message_text, safe, shown_name
from tertulia.cli.refusals import explained
from tertulia.outbox import MAX_WATCHED

_HISTORY_MESSAGES = 50
_TYPING_SECONDS = 3.0  # how often it is said again while it lasts (the protocol's)
_NAMED = 100  # people whose names are asked for, one by one, before a chat begins


class _Interrupted(Exception):
    """Ctrl-C."""


class ChatScreen:
    """One person's view of one channel. A message is given up after `send_seconds`."""

    def __init__(self, client: tertulia.Client, channel_id: str, send_seconds: float = SEND_SECONDS) -> None:
        self._client = client
        self._send_seconds = send_seconds
        self._channel_id = channel_id
        self._state = ChatState(channel_id, client.user_id)
        self._told_seq = 0  # what happened up to here is on the screen
        self._typed_at = 0.0
        self._doing: dict[asyncio.Task[None], str] = {}
        self._unknown: dict[str, tertulia.OutcomeUnknown] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._prompt: PromptSession[str] = PromptSession(
            bottom_toolbar=self._toolbar,
            erase_when_done=True,
            interrupt_exception=_Interrupted,
            refresh_interval=0.5,
        )
        self._prompt.default_buffer.on_text_changed += self._on_typing

    async def run(self) -> bool:
        """Talk until Ctrl-D (True) or Ctrl-C (False).

        Raises:
            TertuliaError: the session is over for good.
        """
        with patch_stdout(raw=True):
            self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, force_terminal=True)
            await self._begin()
            typing = asyncio.create_task(self._type())
            following = asyncio.create_task(self._follow())
            try:
                await asyncio.wait((typing, following), return_when=asyncio.FIRST_COMPLETED)
                if typing.done():
                    return typing.result()
                following.result()
                return True
            finally:
                self._stop_typing()
                for text in self._doing.values():
                    self._say(f"perhaps not sent: {text!r}", style="red")
                tasks = (typing, following, *self._doing, *self._asking)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self) -> None:
        members = [member async for member in self._client.channels.members(self._channel_id)]
        self._state.on_members(members)
        others = [member.user_id for member in members if member.user_id != self._client.user_id]
        self._client.watch(others[:MAX_WATCHED])
        page = await self._client.messages.latest(self._channel_id, _HISTORY_MESSAGES)
        people = dict.fromkeys([*(message.author for message in page.messages), self._client.user_id, *others])
        await asyncio.gather(*(self._ask_name(user_id) for user_id in list(people)[:_NAMED] if user_id))
        for message in page.messages:
            self._show(message)
        self._told_seq = page.head_seq
        self._say("type and press Enter; Ctrl-D leaves, /help tells more")

    async def _type(self) -> bool:
        while True:
            try:
                line = await self._prompt.prompt_async(self._before_line, handle_sigint=False)
                # what a terminal sends need not be UTF-8; a message is
                said = understood(line.encode(errors="surrogateescape").decode(errors="replace"))
            except EOFError:
                return await self._leave()
            except _Interrupted:
                return False
            except NotUnderstood as error:
                self._say(str(error), style="yellow")
                continue
            if said is Command.QUIT:
                return await self._leave()
            self._take(said)

    def _take(self, said: Line) -> None:
        match said:
            case Command.HELP:
                self._say(HELP)
            case Say(text, reply_to) if text.strip():
                self._typed_at = 0.0  # the message itself says that the typing is over
                self._begin_doing(text, self._send(text, reply_to))
            case Edit(seq, text):
                self._amend("edited", said, lambda: self._client.edit(self._channel_id, self._mine(seq), text))
            case Delete(seq):
                self._amend("deleted", said, lambda: self._client.delete(self._channel_id, self._mine(seq)))
            case React(seq, key, removed):
                do = self._client.unreact if removed else self._client.react
                self._amend("reacted", said, lambda: do(self._channel_id, self._anybodys(seq), key))

    async def _leave(self) -> bool:
        self._stop_typing()
        if self._doing:
            self._say(f"waiting until {len(self._doing)} more are sent; Ctrl-C gives up")
            await asyncio.gather(*self._doing)
        return True

    def _begin_doing(self, shown: str, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._doing[task] = shown
        self._state.on_sending(task, shown)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._doing.pop(task, None)
        self._state.on_settled(task)
        self._prompt.app.invalidate()

    def _amend(self, what: str, said: Line, amend: Callable[[], Awaitable[tertulia.Changed]]) -> None:
        """Do something to a message; how it went is seen as an event, or said if it did not."""

        async def work() -> None:
            try:
                await amend()
            except tertulia.Refused as error:
                self._say(f"not {what}: {explained(error)}", style="red")
            except tertulia.TertuliaError as error:
                self._say(f"perhaps not {what}: {error}", style="red")

        self._begin_doing(f"({type(said).__name__.lower()})", work())

    def _mine(self, seq: int) -> int:
        return self._state.my_last if seq == LAST else seq

    def _anybodys(self, seq: int) -> int:
        return self._state.last if seq == LAST else seq

    async def _send(self, text: str, reply_to: int | None) -> None:
        before = self._unknown.pop(text, None)  # said again as it was: the server is to take it once
        try:
            await self._client.send(
                self._channel_id,
                text,
                reply_to=self._anybodys(reply_to) if reply_to is not None else 0,
                client_message_id=before.client_message_id if before else "",
                after_seq=before.after_seq if before else None,
                timeout=self._send_seconds,
            )
        except tertulia.OutcomeUnknown as error:
            self._unknown = {text: error}
            self._give_back(text, f"perhaps not sent: {error}; Enter sends it again, and once at most")
        except tertulia.Refused as error:
            self._give_back(text, f"not sent: {explained(error)}")
        except tertulia.TertuliaError as error:
            self._give_back(text, f"not sent: {error}")

    def _give_back(self, text: str, why: str) -> None:
        """Put a message that failed back into the line, or where something else is being typed name it."""
        buffer = self._prompt.default_buffer
        if buffer.text:
            self._say(f"{why}; ↑ brings back {text!r}", style="red")
            return
        self._say(why, style="red")
        buffer.text = f"/{text}" if text.startswith("/") else text
        buffer.cursor_position = len(buffer.text)

    async def _follow(self) -> None:
        lost = self._client.state is not tertulia.ConnectionState.ONLINE
        async for event in self._client.events():
            self._state.on_event(event)
            match event:
                case _ if (
                    isinstance(event, tertulia.LogEvent)
                    and event.channel_id == self._channel_id
                    and event.seq > self._told_seq
                ):
                    self._tell(event)
                case tertulia.ConnectionChanged(tertulia.ConnectionState.CONNECTING) if not lost:
                    lost = True
                    self._say("connection lost, trying again; what you say meanwhile is sent then", style="yellow")
                case tertulia.ConnectionChanged(tertulia.ConnectionState.ONLINE) if lost:
                    lost = False
                    self._say("connected again; nothing was missed")
            self._prompt.app.invalidate()

    def _tell(self, event: tertulia.LogEvent) -> None:
        self._told_seq = event.seq
        if isinstance(event, tertulia.MessageReceived):
            self._show(event.message)
            return
        if (line := told(event, self._state.names)) is not None:
            self._say(line)
        if isinstance(event, tertulia.MembershipChanged):
            for user_id in event.added:
                self._learn_name(user_id)
            self._client.unwatch(event.removed)
            with contextlib.suppress(tertulia.ResourceExhausted):  # in a large channel not everybody can be followed
                self._client.watch(user_id for user_id in event.added if user_id != self._client.user_id)

    def _show(self, message: tertulia.Message) -> None:
        self._state.on_message(message)
        if message.author and message.author not in self._state.names:
            self._learn_name(message.author)  # it shows from the next message on
        self._console.print(message_text(message, names=self._state.names, seq=True))
        self._client.mark_read(self._channel_id, message.seq)

    def _say(self, text: str, style: str = "dim") -> None:
        self._console.print(Text(f"— {safe(text)}", style=style))

    def _learn_name(self, user_id: str) -> None:
        if len(self._asking) < _NAMED:
            task = asyncio.create_task(self._ask_name(user_id))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _ask_name(self, user_id: str) -> None:
        with contextlib.suppress(tertulia.TertuliaError):  # the id does as well
            self._state.names[user_id] = (await self._client.users.get(user_id)).name

    def _before_line(self) -> StyleAndTextTuples:
        me = shown_name(self._client.user_id, "")
        return [*(("fg:ansibrightblack", f"{line}\n") for line in self._state.pending()), ("", f"{me}> ")]

    def _toolbar(self) -> StyleAndTextTuples:
        return [("", self._state.line())]

    def _on_typing(self, buffer: Buffer) -> None:
        now = time.monotonic()
        if not is_being_said(buffer.text):
            self._stop_typing()
        elif now - self._typed_at >= _TYPING_SECONDS:
            self._typed_at = now
            self._client.typing(self._channel_id)

    def _stop_typing(self) -> None:
        if self._typed_at:
            self._client.typing(self._channel_id, active=False)
        self._typed_at = 0.0
