"""A random stretch of a chat's life: what everybody is shown is what the log says, whatever is restarted (I6, I8)."""

import asyncio
import secrets
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tertulia.chat.v1 import channel_pb2, event_pb2, message_pb2, user_pb2

from tests.e2e.log_figures import Said, mentions_after, messages_of, unread_after
from tests.support.api import Api, Metadata, Refusal, api
from tests.support.stack import Stack
from tests.support.stacks import BOTH, stack_of

Result = TypeVar("Result")
Response = TypeVar("Response", bound=Message)

_PEOPLE = ("ann", "ben", "cat")
_KEYS = ("+1", "heart", "🎉")
_LIVES, _STEPS = 4, 60
_UNAVAILABLE = ("UNAVAILABLE", "DEADLINE_EXCEEDED")
_TRIES = 60  # a second apart at most: longer than anything takes to come back

people = st.sampled_from(_PEOPLE)
portion = st.floats(0, 1)


class Running:
    """The stack, and the loop that everything is awaited on."""

    def __init__(self, runner: "asyncio.Runner", stack: Stack, calls: Api) -> None:
        self._runner = runner
        self.stack = stack
        self.calls = calls

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(work)


@pytest.fixture(params=BOTH)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    with asyncio.Runner() as runner:
        exits = AsyncExitStack()

        async def start() -> Running:
            stack = await exits.enter_async_context(stack_of(request, tmp_path))
            return Running(runner, stack, await exits.enter_async_context(api(stack.address)))

        yield runner.run(start())
        runner.run(exits.aclose())


class ALife(RuleBasedStateMachine):
    """One group of three from its making on."""

    running: Running

    def __init__(self) -> None:
        super().__init__()
        self.suffix = secrets.token_hex(4)
        self.blocked: dict[str, set[str]] = {name: set() for name in _PEOPLE}
        self.read = dict.fromkeys(_PEOPLE, 0)
        self.delivered = dict.fromkeys(_PEOPLE, 0)
        self.gone: list[str] = []
        """Texts that were deleted."""
        self.texts: dict[int, list[str]] = {}
        """By message, all that it ever said."""

    def id(self, name: str) -> str:
        return f"{name}-{self.suffix}"

    def call(self, metadata: Metadata, method: str, request: Message, response: type[Response]) -> Response:
        """Repeat a call while a service that was killed is away; all of them are safe to repeat."""
        return self.running.wait(self._call(metadata, method, request, response))

    async def _call(self, metadata: Metadata, method: str, request: Message, response: type[Response]) -> Response:
        for _ in range(_TRIES):
            answer = await self.running.calls.attempt(metadata, method, request)
            if not isinstance(answer, Refusal):
                return response.FromString(answer)
            assert answer.code in _UNAVAILABLE, f"{method}: {answer}"
            await asyncio.sleep(0.5)  # a client's own back-off
        raise AssertionError(f"{method}: still {answer!r}")

    def as_(self, name: str) -> Metadata:
        return self.running.calls.user(self.id(name))

    def events(self) -> list[event_pb2.Event]:
        request = message_pb2.ListEventsRequest(channel_id=self.id("life"), page_size=1000)
        listed = self.call(self.as_("ann"), "MessageService/ListEvents", request, message_pb2.ListEventsResponse)
        return list(listed.slice.events)

    def one_of(self, part: float, *, mine: str = "") -> Said | None:
        """A message that is not deleted, the same for the same part."""
        found = [m for m in messages_of(self.events()).values() if not m.deleted and mine in ("", m.author)]
        return found[min(int(part * len(found)), len(found) - 1)] if found else None

    # --- what people do -------------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        server = self.running.calls.server()
        users = [user_pb2.UserProfile(user_id=self.id(name)) for name in _PEOPLE]
        self.call(
            server, "UserService/UpsertUsers", user_pb2.UpsertUsersRequest(users=users), user_pb2.UpsertUsersResponse
        )
        made = self.call(
            self.running.calls.server(acting_for=self.id("ann")),
            "ChannelService/CreateChannel",
            channel_pb2.CreateChannelRequest(
                channel_id=self.id("life"),
                kind=channel_pb2.CHANNEL_KIND_GROUP,
                member_user_ids=[self.id(name) for name in _PEOPLE[1:]],
            ),
            channel_pb2.CreateChannelResponse,
        )
        assert made.channel.member_count == len(_PEOPLE)
        self.read = {name: self.mine(name).read_seq for name in _PEOPLE}
        self.delivered = dict(self.read)

    @rule(name=people, mentioned=st.sets(people), part=st.none() | portion)
    def say(self, name: str, mentioned: set[str], part: float | None) -> None:
        answered = None if part is None else self.one_of(part)
        text = f"text-{secrets.token_hex(12)}"
        message = event_pb2.Message(
            text=text,
            mentioned_user_ids=sorted(self.id(each) for each in mentioned),
            reply_to_seq=answered.seq if answered else 0,
        )
        request = message_pb2.SendMessageRequest(
            channel_id=self.id("life"), client_message_id=secrets.token_hex(8), message=message
        )
        sent = self.call(self.as_(name), "MessageService/SendMessage", request, message_pb2.SendMessageResponse)
        self.texts[sent.seq] = [text]

    @rule(name=people, mentioned=st.sets(people), part=portion)
    def edit(self, name: str, mentioned: set[str], part: float) -> None:
        if (said := self.one_of(part, mine=self.id(name))) is None:
            return
        text = f"text-{secrets.token_hex(12)}"
        message = event_pb2.Message(text=text, mentioned_user_ids=sorted(self.id(each) for each in mentioned))
        request = message_pb2.EditMessageRequest(
            channel_id=self.id("life"), seq=said.seq, client_id=secrets.token_hex(8), message=message
        )
        self.call(self.as_(name), "MessageService/EditMessage", request, message_pb2.EditMessageResponse)
        self.texts[said.seq].append(text)

    @rule(part=portion)
    def delete(self, part: float) -> None:
        if (said := self.one_of(part)) is None:
            return
        request = message_pb2.DeleteMessageRequest(
            channel_id=self.id("life"), seq=said.seq, client_id=secrets.token_hex(8)
        )
        self.call(self.as_("ann"), "MessageService/DeleteMessage", request, message_pb2.DeleteMessageResponse)
        self.gone += self.texts[said.seq]

    @rule(name=people, part=portion, key=st.sampled_from(_KEYS), back=st.booleans())
    def react(self, name: str, part: float, key: str, back: bool) -> None:
        if (said := self.one_of(part)) is None:
            return
        kind = message_pb2.RemoveReactionRequest if back else message_pb2.AddReactionRequest
        request = kind(channel_id=self.id("life"), seq=said.seq, client_id=secrets.token_hex(8), key=key)
        method = "RemoveReaction" if back else "AddReaction"
        self.call(self.as_(name), f"MessageService/{method}", request, message_pb2.AddReactionResponse)

    @rule(name=people, part=portion)
    def read_to(self, name: str, part: float) -> None:
        seq = max(1, int(part * self.mine(name).head_seq))
        request = channel_pb2.AdvanceReadPositionRequest(channel_id=self.id("life"), read_seq=seq)
        self.call(
            self.as_(name), "ChannelService/AdvanceReadPosition", request, channel_pb2.AdvanceReadPositionResponse
        )
        self.read[name] = max(self.read[name], seq)
        self.delivered[name] = max(self.delivered[name], seq)

    @rule(name=people, part=portion)
    def receive(self, name: str, part: float) -> None:
        seq = max(1, int(part * self.mine(name).head_seq))
        request = channel_pb2.AdvanceDeliveredPositionRequest(channel_id=self.id("life"), delivered_seq=seq)
        self.call(
            self.as_(name),
            "ChannelService/AdvanceDeliveredPosition",
            request,
            channel_pb2.AdvanceDeliveredPositionResponse,
        )
        self.delivered[name] = max(self.delivered[name], seq)

    @rule(name=people, other=people)
    def block_or_unblock(self, name: str, other: str) -> None:
        if name == other:
            return
        if other in self.blocked[name]:
            request = user_pb2.UnblockUserRequest(user_id=self.id(other))
            self.call(self.as_(name), "UserService/UnblockUser", request, user_pb2.UnblockUserResponse)
        else:
            block = user_pb2.BlockUserRequest(user_id=self.id(other))
            self.call(self.as_(name), "UserService/BlockUser", block, user_pb2.BlockUserResponse)
        self.blocked[name] ^= {other}

    @rule(part=st.sampled_from(("message_store", "channel", "gateway")), chance=st.integers(0, 3))
    @precondition(lambda self: len(self.texts) > 2)
    def kill(self, part: str, chance: int) -> None:
        if chance == 0:
            self.running.wait(self._kill(part))

    async def _kill(self, part: str) -> None:
        self.running.stack.kill(part)

    # --- what they are shown --------------------------------------------------------------------------------------------

    def mine(self, name: str) -> channel_pb2.MyChannel:
        listed = self.call(
            self.as_(name),
            "ChannelService/ListMyChannels",
            channel_pb2.ListMyChannelsRequest(),
            channel_pb2.ListMyChannelsResponse,
        )
        [mine] = listed.channels
        return mine

    def history(self) -> list[event_pb2.Event]:
        listed = self.call(
            self.as_("ben"),
            "MessageService/ListMessages",
            message_pb2.ListMessagesRequest(channel_id=self.id("life"), page_size=200),
            message_pb2.ListMessagesResponse,
        )
        return list(listed.events)

    @invariant()
    def figures_are_those_of_the_log(self) -> None:
        events = self.events()
        messages = messages_of(events)
        for name in _PEOPLE:
            mine = self.mine(name)
            blocked = {self.id(other) for other in self.blocked[name]}
            assert mine.head_seq == events[-1].seq
            assert mine.read_seq == self.read[name]
            assert mine.delivered_seq == self.delivered[name]
            assert mine.unread_count == unread_after(messages, mine.read_seq)
            assert mine.mention_count == mentions_after(messages, mine.read_seq, self.id(name), blocked)
            if messages:
                _is_shown_as(mine.last_message, messages[max(messages)])

    @invariant()
    def history_shows_what_the_events_made_of_each_message(self) -> None:
        messages = messages_of(self.events())
        listed = self.history()
        assert [event.seq for event in listed] == sorted(messages), "every message, each once"
        for event in listed:
            _is_shown_as(event, messages[event.seq])

    @invariant()
    def what_was_deleted_is_shown_nowhere(self) -> None:
        shown = [event.SerializeToString() for event in self.events()]
        shown += [event.SerializeToString() for event in self.history()]
        shown += [self.mine(name).SerializeToString() for name in _PEOPLE]
        for text in self.gone:
            assert not any(text.encode() in each for each in shown), f"{text} was deleted and is shown"

    @invariant()
    def members_have_the_positions_that_they_reached(self) -> None:
        listed = self.call(
            self.as_("cat"),
            "ChannelService/ListMembers",
            channel_pb2.ListMembersRequest(channel_id=self.id("life")),
            channel_pb2.ListMembersResponse,
        )
        found = {member.user_id: (member.read_seq, member.delivered_seq) for member in listed.members}
        assert found == {self.id(name): (self.read[name], self.delivered[name]) for name in _PEOPLE}


def _is_shown_as(event: event_pb2.Event, said: Said) -> None:
    state = event.state
    current = state.edited if state.HasField("edited") else event.message
    reactions = {reaction.key: set(reaction.user_ids) for reaction in state.reactions}
    assert event.seq == said.seq
    assert (state.deleted, current.text, len(state.edit_seqs)) == (said.deleted, said.text, said.edits)
    assert set(current.mentioned_user_ids) == said.mentions
    assert reactions == {key: who for key, who in said.reactions.items() if who}
    assert state.reply_count == said.replies


@pytest.mark.timeout(600)
def test_figures_and_history_are_those_of_the_log_whatever_happens(running: Running) -> None:
    class Life(ALife):
        pass

    Life.running = running
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=_LIVES,
            stateful_step_count=_STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
