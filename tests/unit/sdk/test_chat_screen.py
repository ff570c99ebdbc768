"""The screen of `tertulia chat`, with keys that are pressed and what is written to the terminal."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import grpc
import pytest
import tertulia
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output
from tertulia.chat.v1 import error_pb2, event_pb2, session_pb2
from tertulia.cli.chat_screen import ChatScreen
from tertulia.cli.console import message_text
from tertulia.outbox import MAX_WATCHED

from tests.support.ports import free_port, until
from tests.unit.sdk.conftest import SECRET
from tests.unit.sdk.fake_gateway import FakeGateway, serving
from tests.unit.sdk.fake_log import LoseAnswer, Refusal

CTRL_C, CTRL_D, ENTER = "\x03", "\x04", "\r"


class Terminal:
    """Keys in, screen out."""

    def __init__(self, keys: PipeInput, screen: io.StringIO, running: "asyncio.Task[bool]") -> None:
        self._keys = keys
        self._screen = screen
        self.running = running

    def press(self, keys: str) -> None:
        self._keys.send_text(keys)

    async def shows(self, *texts: str) -> None:
        """Wait until all of it has been on the screen since the last time."""
        for text in texts:
            await until(partial(self._has, text), f"{text!r} on the screen")
        self.forget()

    def _has(self, text: str) -> bool:
        return text in self._screen.getvalue()

    def forget(self) -> None:
        self._screen.seek(0)
        self._screen.truncate()


@asynccontextmanager
async def chatting(address: str, send_seconds: float = 30.0) -> AsyncIterator[Terminal]:
    """Alice at her terminal."""
    screen = io.StringIO()
    output = Vt100_Output(screen, lambda: Size(rows=40, columns=160), term="xterm")
    with create_pipe_input() as keys, create_app_session(input=keys, output=output):
        async with tertulia.connect(address, token=SECRET.user_token("alice")) as client:
            running = asyncio.create_task(ChatScreen(client, "team", send_seconds).run())
            try:
                terminal = Terminal(keys, screen, running)
                await terminal.shows("Ctrl-D leaves")
                yield terminal
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def gateway() -> FakeGateway:
    gateway = FakeGateway()
    gateway.channel("team", "alice", "bob")
    return gateway


async def test_what_is_said_while_the_server_is_away_stands_there_as_being_sent_and_is_sent_later(
    gateway: FakeGateway,
) -> None:
    port = free_port()
    async with AsyncExitStack() as chat:
        async with serving(gateway, port) as address:
            terminal = await chat.enter_async_context(chatting(address))
        await terminal.shows("connection lost")
        terminal.press(f"are you there?{ENTER}")
        await terminal.shows("sending…  are you there?")
        async with serving(gateway, port):
            await terminal.shows("connected again")
            await until(lambda: gateway.texts("team") == ["are you there?"], "the message in the channel")
            await chat.aclose()


async def test_a_message_that_was_refused_is_put_back_into_the_line(gateway: FakeGateway, address: str) -> None:
    def refuse(send: session_pb2.Send) -> None:
        if send.message.text == "no":
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, error_pb2.ERROR_REASON_FIELD_INVALID)

    gateway.on_send = refuse
    async with chatting(address) as terminal:
        terminal.press(f"no{ENTER}")
        await terminal.shows("not sent")
        terminal.press(f", yes{ENTER}")
        await until(lambda: gateway.texts("team") == ["no, yes"], "the message, mended")


async def test_a_message_without_an_answer_is_said_again_under_its_id(gateway: FakeGateway, address: str) -> None:
    lost = True

    def lose(_send: session_pb2.Send) -> None:
        if lost:
            raise LoseAnswer

    gateway.on_send = lose
    async with chatting(address, send_seconds=1.0) as terminal:
        terminal.press(f"once{ENTER}")
        await terminal.shows("perhaps not sent")
        lost = False
        terminal.press(f"{ENTER}{CTRL_D}")
        assert await terminal.running is True
    assert gateway.texts("team") == ["once"]


async def test_leaving_says_that_one_types_no_longer(gateway: FakeGateway, address: str) -> None:
    async with chatting(address) as terminal:
        terminal.press("half a sent")
        await until(lambda: _typings(gateway) == [True], "typing")
        terminal.press(CTRL_C)
        assert await terminal.running is False
    await until(lambda: _typings(gateway) == [True, False], "no longer typing")


async def test_blanks_and_commands_are_not_told_of_as_typing(gateway: FakeGateway, address: str) -> None:
    async with chatting(address) as terminal:
        terminal.press(f"   {ENTER}/help{ENTER}")
        await terminal.shows("brings back what was typed")
        terminal.press(f"/nonsense{ENTER}")
        await terminal.shows("there is no /nonsense")
        assert _typings(gateway) == []
        terminal.press(f"//etc/hosts{ENTER}")
        await until(lambda: gateway.texts("team") == ["/etc/hosts"], "the message")
        terminal.press(f"/quit{ENTER}")
        assert await terminal.running is True


async def test_messages_are_answered_edited_deleted_and_reacted_to(gateway: FakeGateway, address: str) -> None:
    gateway.say("team", "who comes?")
    async with chatting(address) as terminal:
        terminal.press(f"/reply 1 me{ENTER}")
        await until(lambda: gateway.texts("team") == ["who comes?", "me"], "the answer")
        await terminal.shows("(to 1)")
        terminal.press(f"/edit . me too{ENTER}")
        await terminal.shows("alice edited 2: me too")
        terminal.press(f"/react 1 🎉{ENTER}")
        await terminal.shows("alice reacted 🎉 to 1")
        terminal.press(f"/unreact 1 🎉{ENTER}")
        await terminal.shows("alice took 🎉 back from 1")
        terminal.press(f"/delete .{ENTER}")
        await terminal.shows("alice deleted 2")
        terminal.press(f"/edit 1 not yours{ENTER}")
        await terminal.shows("not edited", "NOT_ALLOWED")


async def test_what_became_of_earlier_messages_is_shown_on_entering(gateway: FakeGateway, address: str) -> None:
    said = gateway.say("team", "helo")
    gateway.say("team", "regretted")
    hello = event_pb2.MessageEdited(target_seq=said.seq, message=event_pb2.Message(text="hello"))
    gateway.amend("team", message_edited=hello)
    gateway.amend("team", by="carol", reaction_changed=event_pb2.ReactionChanged(target_seq=said.seq, key="👋"))
    gateway.amend("team", message_deleted=event_pb2.MessageDeleted(target_seq=2))
    screen = io.StringIO()
    async with tertulia.connect(address, token=SECRET.user_token("alice")) as client:
        for message in (await client.messages.latest("team")).messages:
            screen.write(message_text(message, seq=True).plain + "\n")
    assert "bob  hello (edited)  👋 1" in screen.getvalue()
    assert "bob  (deleted)" in screen.getvalue()


async def test_who_joins_a_channel_of_more_than_can_be_followed_ends_nobodys_chat(
    gateway: FakeGateway, address: str
) -> None:
    gateway.channel("team", "alice", *(f"member{number}" for number in range(MAX_WATCHED)))
    async with chatting(address) as terminal:
        gateway.join("team", "zoe")
        await terminal.shows("joined: zoe")
        gateway.say("team", "welcome")
        await terminal.shows("welcome")


async def test_people_are_shown_with_their_names_and_ids(gateway: FakeGateway, address: str) -> None:
    async with tertulia.connect(address, token=SECRET.server_token()) as server:
        await server.users.set("bob", name="Bob the Builder")
    gateway.say("team", "can we fix it?")
    async with chatting(address) as terminal:
        gateway.say("team", "yes we can")
        await terminal.shows("Bob the Builder (bob)", "yes we can")


def _typings(gateway: FakeGateway) -> list[bool]:
    return [typing.active for frame in gateway.frames for typing in frame.typings]
