"""Random edits, deletions, reactions, replies and restarts: what is read is what the live events make, and nothing deleted stays."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tertulia import states
from tertulia.chat.v1 import event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import MentionQuery, Seq
from services.message_store import targets
from tests.unit.message_store.owner import LOG, Owner, deletion, edit, item, owner_of, reaction, slice_of
from tests.unit.message_store.test_random_schedules import MEMORY

USERS = ("alice", "bob", "carol")


class Do(NamedTuple):
    kind: str
    target: int
    """Of as many events as there are, that which this names modulo their number."""
    user: str


class Round(NamedTuple):
    requests: list[list[Do]]
    restart_afterwards: bool


acts = st.builds(
    Do, st.sampled_from(["say", "reply", "edit", "delete", "+", "-"]), st.integers(0, 20), st.sampled_from(USERS)
)
requests = st.lists(st.lists(acts, min_size=1, max_size=6), min_size=1, max_size=3)
rounds = st.lists(st.builds(Round, requests, st.booleans()), min_size=1, max_size=6)


class Talk:
    """What was sent, and what came live."""

    def __init__(self) -> None:
        self._count = 0
        self.live: list[event_pb2.Event] = []

    def item(self, do: Do) -> log_pb2.AppendItem:
        self._count += 1
        client_id = f"id-{self._count}"
        text = _text(client_id)
        target = do.target % (len(self.live) + 2) + 1
        if do.kind == "say":
            return item(client_id, text=text, sender=do.user, mentions=[do.user])
        if do.kind == "reply":
            return item(client_id, text=text, sender=do.user, target_seq=target)
        if do.kind == "edit":
            about = edit(client_id, target, text, sender=do.user)
        elif do.kind == "delete":
            about = deletion(client_id, target, sender=do.user)
        else:
            return reaction(client_id, target, "+", sender=do.user, removed=do.kind == "-")
        about.ClearField("target_sender_user_id")
        return about

    async def send(self, owner: Owner, requests: Sequence[Sequence[Do]]) -> None:
        await asyncio.gather(*(owner.append(*map(self.item, request)) for request in requests))
        self.live += [event for bell in owner.bus.doorbells() for event in slice_of(bell).events]
        owner.bus.published.clear()

    async def check(self, owner: Owner) -> None:
        read = await owner.events()
        assert [event.seq for event in read] == [event.seq for event in self.live] == list(range(1, len(read) + 1))
        gone = {event.message_deleted.target_seq for event in self.live if event.HasField("message_deleted")}
        mentioned = dict.fromkeys(USERS, 0)
        for event in read:
            if event.HasField("message"):
                state = event_pb2.MessageState()
                for later in self.live:
                    states.apply(state, event.seq, later)
                assert event.state == state, "live is fresh"
                assert state.deleted == (event.seq in gone)
                content = state.edited if state.HasField("edited") else event.message
                for user in content.mentioned_user_ids:
                    mentioned[user] += 1
        queries = [MentionQuery(LOG, user, Seq(0), frozenset()) for user in USERS]
        assert dict(zip(USERS, await owner.store.mention_counts(queries), strict=True)) == mentioned
        (head,) = await owner.reader.heads([LOG], with_last_message=True)
        messages = [event for event in read if event.HasField("message")]
        assert head.last_message == b"" or event_pb2.Event.FromString(head.last_message) == messages[-1]

    def forgotten(self) -> list[bytes]:
        """The texts that must be nowhere."""
        gone = {event.message_deleted.target_seq for event in self.live if event.HasField("message_deleted")}
        told = [event for event in self.live if event.seq in gone or event.message_edited.target_seq in gone]
        return [_text(event.client_id).encode() for event in told]


def _text(client_id: str) -> str:
    """What was said under a client id."""
    return f"text-{client_id}-end"


async def play(path: Path, schedule: list[Round]) -> Talk:
    talk = Talk()
    remaining = iter(schedule)
    restarted = True
    while restarted:
        restarted = False
        async with owner_of(path, remembered_events=2) as owner:
            for requests, restart_afterwards in remaining:
                await talk.send(owner, requests)
                await talk.check(owner)
                if restart_afterwards:
                    restarted = True
                    break
    return talk


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds)
def test_whatever_happens_live_is_fresh_and_what_was_deleted_is_gone(
    monkeypatch: pytest.MonkeyPatch, schedule: list[Round]
) -> None:
    monkeypatch.setattr(targets, "_KEPT", 2)
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        talk = asyncio.run(play(Path(directory), schedule))
        held = b"".join(file.read_bytes() for file in Path(directory).iterdir())
        assert not [text for text in talk.forgotten() if text in held]
