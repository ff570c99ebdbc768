"""Every refusal of the public services: its code, its reason, and that nothing changed."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest
from tertulia.chat.v1 import channel_pb2, role_pb2, user_pb2

from libs.rpc.errors import TertuliaError
from tests.integration.channel.parts import reason
from tests.integration.channel.people import BROADCAST, DIRECT, GROUP, OPEN, Cast, Person

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("channel-refusals")]

OPERATOR = role_pb2.MEMBER_ROLE_OPERATOR


class Scene(NamedTuple):
    """Alice owns a group with bob in it; carol was removed from it; dave was never there. Alice and bob have a direct."""

    cast: Cast
    alice: Person
    bob: Person
    carol: Person
    dave: Person
    group: str
    direct: str


async def scene(cast: Cast) -> Scene:
    alice, bob, carol, dave = await cast.users("alice", "bob", "carol", "dave")
    group = (await alice.group(bob, carol)).channel_id
    await alice.remove(group, carol)
    direct = (await alice.direct(bob)).channel_id
    return Scene(cast, alice, bob, carol, dave, group, direct)


def request(**fields: object) -> channel_pb2.CreateChannelRequest:
    made = channel_pb2.CreateChannelRequest(kind=GROUP)
    for name, value in fields.items():
        if isinstance(value, list):
            getattr(made, name).extend(value)
        else:
            setattr(made, name, value)
    return made


def foreign(person: Person) -> Person:
    """A user of the same id in another application."""
    return Person(person.parts, person.user_id, application_id="other")


def foreign_server(scene: Scene) -> Person:
    return Person(scene.cast.parts, server=True, application_id="other")


Case = Callable[[Scene], Awaitable[object]]

VERBS: dict[str, Callable[[Scene, Person, str], Awaitable[object]]] = {
    "get": lambda _, who, channel: who.get(channel),
    "add": lambda s, who, channel: who.add(channel, s.dave),
    "remove": lambda s, who, channel: who.remove(channel, s.bob),
    "leave": lambda _, who, channel: who.leave(channel),
    "list members": lambda _, who, channel: who.members(channel),
    "advance": lambda _, who, channel: who.read_to(channel, 1),
    "authorize": lambda _, who, channel: who.authorize(channel),
    "update": lambda _, who, channel: who.update(channel, name="x"),
    "delete": lambda _, who, channel: who.delete(channel),
    "join": lambda _, who, channel: who.join(channel),
    "set a role": lambda s, who, channel: who.set_role(channel, s.bob, OPERATOR),
    "prefer": lambda _, who, channel: who.prefer(channel, muted=True),
    "advance delivered": lambda _, who, channel: who.delivered_to(channel, 1),
}

OUTSIDERS: dict[str, Callable[[Scene], Person]] = {
    "a stranger": lambda s: s.dave,
    "a former member": lambda s: s.carol,
    "another application": lambda s: foreign(s.alice),
}


@pytest.mark.parametrize("who", OUTSIDERS)
@pytest.mark.parametrize("verb", VERBS)
async def test_an_outsider_gets_the_same_answer_as_if_there_were_no_channel(cast: Cast, verb: str, who: str) -> None:
    s = await scene(cast)
    outsider = OUTSIDERS[who](s)
    answers = []
    for channel_id in (s.group, "no-such-channel"):
        with pytest.raises(TertuliaError) as refusal:
            await VERBS[verb](s, outsider, channel_id)
        answers.append((reason(refusal.value), refusal.value.message.replace(channel_id, "…"), refusal.value.metadata))
    assert answers[0] == answers[1]
    assert answers[0][0] == "NOT_FOUND CHANNEL_NOT_FOUND"


CASES: dict[str, tuple[str, Case]] = {
    "a foreign server key": ("NOT_FOUND CHANNEL_NOT_FOUND", lambda s: foreign_server(s).get(s.group)),
    "adding as a plain member": ("PERMISSION_DENIED NOT_ALLOWED", lambda s: s.bob.add(s.group, s.dave)),
    "removing as a plain member": ("PERMISSION_DENIED NOT_ALLOWED", lambda s: s.bob.remove(s.group, s.alice)),
    "adding to a direct channel": (
        "FAILED_PRECONDITION DIRECT_CHANNEL_FIXED",
        lambda s: s.alice.add(s.direct, s.dave),
    ),
    "adding to a direct channel with a server key": (
        "FAILED_PRECONDITION DIRECT_CHANNEL_FIXED",
        lambda s: s.cast.server.add(s.direct, s.dave),
    ),
    "removing from a direct channel": (
        "FAILED_PRECONDITION DIRECT_CHANNEL_FIXED",
        lambda s: s.alice.remove(s.direct, s.bob),
    ),
    "leaving a direct channel": ("FAILED_PRECONDITION DIRECT_CHANNEL_FIXED", lambda s: s.bob.leave(s.direct)),
    "adding a user that does not exist": (
        "NOT_FOUND USER_NOT_FOUND",
        lambda s: s.alice.add(s.group, s.dave, s.cast.named("nobody")),
    ),
    "a group with a user that does not exist": (
        "NOT_FOUND USER_NOT_FOUND",
        lambda s: s.alice.group(s.cast.named("nobody")),
    ),
    "a direct channel with a user that does not exist": (
        "NOT_FOUND USER_NOT_FOUND",
        lambda s: s.alice.direct(s.cast.named("nobody")),
    ),
    "a group by a user that does not exist": (
        "NOT_FOUND USER_NOT_FOUND",
        lambda s: s.cast.named("nobody").group(s.bob),
    ),
    "a channel id from a user": (
        "PERMISSION_DENIED SERVER_KEY_REQUIRED",
        lambda s: s.alice.create(request(channel_id="mine")),
    ),
    "a channel id of another creator's channel": (
        "ALREADY_EXISTS CHANNEL_EXISTS",
        lambda s: s.cast.server.create(request(channel_id=s.group)),
    ),
    "a channel id of a direct channel": (
        "ALREADY_EXISTS CHANNEL_EXISTS",
        lambda s: s.cast.named("alice", server=True).create(request(channel_id=s.direct)),
    ),
    "a channel id for a direct channel": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.create(request(kind=DIRECT, channel_id="mine", member_user_ids=[s.dave.user_id])),
    ),
    "a name for a direct channel": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.create(request(kind=DIRECT, name="us", member_user_ids=[s.dave.user_id])),
    ),
    "a direct channel with oneself": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.alice.direct(s.alice)),
    "a direct channel with nobody": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.create(request(kind=DIRECT)),
    ),
    "a direct channel of three": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.create(request(kind=DIRECT, member_user_ids=[s.bob.user_id, s.dave.user_id])),
    ),
    "a direct channel of the application": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.cast.server.direct(s.bob),
    ),
    "a slow mode for a direct channel": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.create(request(kind=DIRECT, slow_mode_seconds=1, member_user_ids=[s.dave.user_id])),
    ),
    "an open channel from a user": (
        "PERMISSION_DENIED SERVER_KEY_REQUIRED",
        lambda s: s.alice.create(request(kind=OPEN)),
    ),
    "a broadcast channel from a user": (
        "PERMISSION_DENIED SERVER_KEY_REQUIRED",
        lambda s: s.alice.create(request(kind=BROADCAST)),
    ),
    "updating as a plain member": ("PERMISSION_DENIED NOT_ALLOWED", lambda s: s.bob.update(s.group, name="x")),
    "updating a direct channel": (
        "FAILED_PRECONDITION DIRECT_CHANNEL_FIXED",
        lambda s: s.alice.update(s.direct, name="x"),
    ),
    "an update of nothing": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.alice.update(s.group, mask=[])),
    "an update of another field": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.update(s.group, mask=["name", "kind"]),
    ),
    "an update with a malformed value": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.update(s.group, cover_url="http://x"),
    ),
    "an update with another's etag": (
        "ABORTED ETAG_MISMATCH",
        lambda s: s.alice.update(s.group, etag="nonsense", name="x"),
    ),
    "a slow mode of a day": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.update(s.group, slow_mode_seconds=86_400),
    ),
    "17 KiB of custom data": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.update(s.group, custom_data="x" * 17 * 1024),
    ),
    "deleting as a plain member": ("PERMISSION_DENIED NOT_ALLOWED", lambda s: s.bob.delete(s.group)),
    "deleting a direct channel": (
        "FAILED_PRECONDITION DIRECT_CHANNEL_FIXED",
        lambda s: s.alice.delete(s.direct),
    ),
    "a role from a plain member": (
        "PERMISSION_DENIED NOT_ALLOWED",
        lambda s: s.bob.set_role(s.group, s.bob, OPERATOR),
    ),
    "a role in a direct channel": (
        "FAILED_PRECONDITION DIRECT_CHANNEL_FIXED",
        lambda s: s.alice.set_role(s.direct, s.bob, OPERATOR),
    ),
    "a role for somebody outside": (
        "NOT_FOUND MEMBER_NOT_FOUND",
        lambda s: s.alice.set_role(s.group, s.carol, OPERATOR),
    ),
    "no role": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.set_role(s.group, s.bob, role_pb2.MEMBER_ROLE_UNSPECIFIED),
    ),
    "joining without an acting user": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.cast.server.join(s.group)),
    "a delivered position above the head": (
        "INVALID_ARGUMENT POSITION_ABOVE_HEAD",
        lambda s: s.alice.delivered_to(s.group, 3),
    ),
    "blocking oneself": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.alice.block(s.alice)),
    "blocking nobody": ("NOT_FOUND USER_NOT_FOUND", lambda s: s.alice.block(s.cast.named("nobody"))),
    "blocking without an acting user": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.cast.server.block(s.bob)),
    "a user who lists users": ("PERMISSION_DENIED SERVER_KEY_REQUIRED", lambda s: s.alice.users()),
    "a search for every name": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.alice.search("")),
    "a negative page size of a search": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.alice.search("a", -1)),
    "a forged page token of open channels": (
        "INVALID_ARGUMENT PAGE_TOKEN_INVALID",
        lambda s: s.alice.open_channels("", 1, "Zm9yZ2Vk"),
    ),
    "a forged page token of users": (
        "INVALID_ARGUMENT PAGE_TOKEN_INVALID",
        lambda s: s.cast.server.users(1, "Zm9yZ2Vk"),
    ),
    "a forged page token of blocked users": (
        "INVALID_ARGUMENT PAGE_TOKEN_INVALID",
        lambda s: s.alice.blocked(1, "Zm9yZ2Vk"),
    ),
    "a name of a user that turns the direction of text": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.upsert(user_pb2.UserProfile(user_id=s.alice.user_id, name="a\u202eb")),
    ),
    "a name of a channel with a C1 control character": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.update(s.group, name="a\x9b31m"),
    ),
    "no kind": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.alice.create(channel_pb2.CreateChannelRequest())),
    "a channel id with a wildcard": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.alice.get("a.>")),
    "a name with NUL": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.alice.group(name="a\0b")),
    "nobody to add": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.alice.add(s.group)),
    "101 to add": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.add(s.group, *(s.cast.named(f"u{number}") for number in range(101))),
    ),
    "a negative page size of members": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.members_page(s.group, -1),
    ),
    "a negative page size of channels": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.alice.channels_page(-1)),
    "a forged page token of members": (
        "INVALID_ARGUMENT PAGE_TOKEN_INVALID",
        lambda s: s.alice.members_page(s.group, 1, "Zm9yZ2Vk"),
    ),
    "a forged page token of channels": (
        "INVALID_ARGUMENT PAGE_TOKEN_INVALID",
        lambda s: s.alice.channels_page(1, "Zm9yZ2Vk"),
    ),
    "a position above the head": (
        "INVALID_ARGUMENT POSITION_ABOVE_HEAD",
        lambda s: s.alice.read_to(s.group, 3),
    ),
    "position 0": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.alice.read_to(s.group, 0)),
    "leaving without an acting user": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.cast.server.leave(s.group)),
    "listing nobody's channels": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.cast.server.channels()),
    "advancing nobody's position": ("INVALID_ARGUMENT FIELD_INVALID", lambda s: s.cast.server.read_to(s.group, 1)),
    "a user that does not exist": ("NOT_FOUND USER_NOT_FOUND", lambda s: s.alice.user("nobody")),
    "a user of another application": (
        "NOT_FOUND USER_NOT_FOUND",
        lambda s: foreign_server(s).user(s.alice.user_id),
    ),
    "another user's profile": (
        "PERMISSION_DENIED SERVER_KEY_REQUIRED",
        lambda s: s.alice.upsert(user_pb2.UserProfile(user_id=s.alice.user_id), user_pb2.UserProfile(user_id="x")),
    ),
    "a user id with a control character": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.cast.server.upsert(user_pb2.UserProfile(user_id="a\nb")),
    ),
    "a picture that is no https URL": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: s.alice.upsert(user_pb2.UserProfile(user_id=s.alice.user_id, avatar_url="http://x")),
    ),
    "an inbox of a malformed user id": (
        "INVALID_ARGUMENT FIELD_INVALID",
        lambda s: Person(s.cast.parts, "a\0b").open_inbox(),
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_refusal_has_its_reason_and_changes_nothing(cast: Cast, case: str) -> None:
    s = await scene(cast)
    before = [await s.cast.server.get(channel_id) for channel_id in (s.group, s.direct)]
    people = (s.alice, s.bob, s.carol, s.dave)
    inboxes = [await person.inbox() for person in people]
    expected, act = CASES[case]
    with pytest.raises(TertuliaError) as refusal:
        await act(s)
    assert reason(refusal.value) == expected
    assert [await s.cast.server.get(channel_id) for channel_id in (s.group, s.direct)] == before
    assert [await person.inbox() for person in people] == inboxes
