"""The screen of `tertulia chat`: messages scroll above a line to type in, with a line of state below it."""

import asyncio
import time

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.text import Text

import tertulia
from tertulia.cli.chat_state import ChatState
from tertulia.cli.console import message_text, safe

_HISTORY_MESSAGES = 50
_TYPING_SECONDS = 3.0  # how often it is said again while it lasts (the protocol's)
_WATCHED = 1_000  # people whose presence is followed (the protocol's limit)


class _Interrupted(Exception):
    """Ctrl-C."""


class ChatScreen:
    """One person's view of one channel."""

    def __init__(self, client: tertulia.Client, channel_id: str) -> None:
        self._client = client
        self._channel_id = channel_id
        self._state = ChatState(channel_id, client.user_id)
        self._shown_seq = 0
        self._typed_at = 0.0
        self._sends: set[asyncio.Task[None]] = set()
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
                for task in (typing, following, *self._sends):
                    task.cancel()
                await asyncio.gather(typing, following, *self._sends, return_exceptions=True)

    async def _begin(self) -> None:
        members = [member async for member in self._client.channels.members(self._channel_id)]
        self._state.on_members(members)
        others = [member.user_id for member in members if member.user_id != self._client.user_id]
        self._client.watch(others[:_WATCHED])
        page = await self._client.messages.latest(self._channel_id, _HISTORY_MESSAGES)
        for message in page.messages:
            self._show(message)
        self._say("type and press Enter; Ctrl-D leaves")

    async def _type(self) -> bool:
        me = safe(self._client.user_id)
        while True:
            try:
                text = await self._prompt.prompt_async(f"{me}> ", handle_sigint=False)
            except EOFError:
                await asyncio.gather(*self._sends)
                return True
            except _Interrupted:
                return False
            self._typed_at = 0.0
            if text.strip():
                task = asyncio.create_task(self._send(text))
                self._sends.add(task)
                task.add_done_callback(self._sends.discard)

    async def _send(self, text: str) -> None:
        try:
            await self._client.send(self._channel_id, text)
        except tertulia.OutcomeUnknown as error:
            self._say(f"perhaps not sent: {text!r}: {error}", style="red")
        except tertulia.TertuliaError as error:
            self._say(f"not sent: {text!r}: {error}", style="red")

    async def _follow(self) -> None:
        lost = False
        async for event in self._client.events():
            self._state.on_event(event)
            match event:
                case tertulia.MessageReceived(message) if message.channel_id == self._channel_id:
                    self._show(message)
                case tertulia.MembershipChanged() if event.channel_id == self._channel_id:
                    self._on_members(event)
                case tertulia.ConnectionChanged(tertulia.ConnectionState.CONNECTING, detail) if not lost:
                    lost = True
                    self._say(f"connection lost, trying again: {detail}", style="yellow")
                case tertulia.ConnectionChanged(tertulia.ConnectionState.ONLINE) if lost:
                    lost = False
                    self._say("connected again; nothing was missed")
            self._prompt.app.invalidate()

    def _on_members(self, change: tertulia.MembershipChanged) -> None:
        if change.added:
            self._say(f"joined: {', '.join(change.added)}")
            self._client.watch(user_id for user_id in change.added if user_id != self._client.user_id)
        if change.removed:
            self._say(f"left: {', '.join(change.removed)}")
            self._client.unwatch(change.removed)

    def _show(self, message: tertulia.Message) -> None:
        if message.seq <= self._shown_seq:
            return  # it was on the first page already
        self._shown_seq = message.seq
        self._state.on_message(message)
        self._console.print(message_text(message))
        self._client.mark_read(self._channel_id, message.seq)

    def _say(self, text: str, style: str = "dim") -> None:
        self._console.print(Text(f"— {safe(text)}", style=style))

    def _toolbar(self) -> StyleAndTextTuples:
        return [("", self._state.line())]

    def _on_typing(self, buffer: Buffer) -> None:
        now = time.monotonic()
        if not buffer.text:
            if self._typed_at:
                self._client.typing(self._channel_id, active=False)
            self._typed_at = 0.0
        elif now - self._typed_at >= _TYPING_SECONDS:
            self._typed_at = now
            self._client.typing(self._channel_id)
