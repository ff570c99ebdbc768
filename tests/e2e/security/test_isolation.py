"""Nobody gets in where they do not belong, by any method: walked from the descriptors, so that a method that is added tomorrow is
called here, too. What may be done by whom is said in this file; whoever adds a method is told by a failure to say it."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jwt
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from tests.e2e.security.every_method import ABOUT_A_CHANNEL, METHODS, Method, unary_methods
from tests.e2e.security.scene import Scene
from tests.support.api import Metadata, Refusal, bearer

pytestmark = pytest.mark.asyncio(loop_scope="package")

MEMBERS_MAY = {
    "ChannelService/AdvanceDeliveredPosition",
    "ChannelService/AdvanceReadPosition",
    "ChannelService/GetChannel",
    "ChannelService/JoinChannel",
    "ChannelService/LeaveChannel",
    "ChannelService/ListMembers",
    "ChannelService/SetChannelPreferences",
    "MessageService/AddReaction",
    "MessageService/GetMessage",
    "MessageService/ListEvents",
    "MessageService/ListMessages",
    "MessageService/RemoveReaction",
    "MessageService/SendMessage",
    "PresenceService/SetTyping",
}
"""What plain members of a group may do about what is not their own. Joining where one is changes nothing."""

BLOCKED_MAY = {
    "ChannelService/AdvanceDeliveredPosition",
    "ChannelService/AdvanceReadPosition",
    "ChannelService/GetChannel",
    "ChannelService/JoinChannel",
    "ChannelService/ListMembers",
    "ChannelService/SetChannelPreferences",
    "MessageService/GetMessage",
    "MessageService/ListEvents",
    "MessageService/ListMessages",
}
"""What is left to somebody in a direct channel with one who has blocked them."""

ANYBODY_MAY = {"ChannelService/GetChannel", "ChannelService/JoinChannel"}
"""Of an open channel, without having joined it."""


GUESTS_MAY = {
    "ChannelService/GetChannel",
    "ChannelService/ListOpenChannels",
    "MessageService/GetMessage",
    "MessageService/ListEvents",
    "MessageService/ListMessages",
}
"""And of open channels only."""


class Case(NamedTuple):
    """Somebody who does not belong."""

    who: str
    metadata: Callable[[Scene], Metadata]
    channel: str
    answers: Sequence[str]
    """`<code> <reason>`: one of them."""


def _expired(scene: Scene) -> Metadata:
    secret = scene.api.secret
    claims = {"iss": secret.application_id, "aud": "tertulia", "exp": int(time.time()) - 60, "sub": scene.id("alice")}
    return bearer(jwt.encode(claims, secret.text, algorithm="HS256", headers={"kid": secret.key_id}))


def _as(name: str) -> Callable[[Scene], Metadata]:
    return lambda scene: scene.as_(name)


HIDDEN = ["NOT_FOUND CHANNEL_NOT_FOUND"]
NOT_ALLOWED, FIXED = "PERMISSION_DENIED NOT_ALLOWED", "FAILED_PRECONDITION DIRECT_CHANNEL_FIXED"
STRANGERS = (
    Case("nobody", lambda _: [], "group", ["UNAUTHENTICATED TOKEN_MISSING"]),
    Case("somebody whose token has expired", _expired, "group", ["UNAUTHENTICATED TOKEN_EXPIRED"]),
)
OUTSIDERS = (
    Case("somebody of another application", Scene.as_foreigner, "group", HIDDEN),
    Case("somebody who is no member", _as("carol"), "group", HIDDEN),
    Case("somebody who was removed", _as("eve"), "group", HIDDEN),
    Case("a member of what was deleted", _as("alice"), "doomed", HIDDEN),
)
PLAIN_MEMBER = Case("a plain member", _as("bob"), "group", [NOT_ALLOWED])
BLOCKED = Case("somebody blocked", _as("frank"), "direct", ["PERMISSION_DENIED BLOCKED", NOT_ALLOWED, FIXED])
READ_ONLY = ["PERMISSION_DENIED GUEST_READ_ONLY"]
GUEST = Case("a guest", Scene.as_guest, "open", READ_ONLY)
UNWANTED_GUEST = Case(
    "a guest of an application that lets none in",
    lambda scene: bearer(scene.foreign.guest_token("visit")),
    "open",
    ["PERMISSION_DENIED GUESTS_NOT_ALLOWED"],
)
CURIOUS_GUESTS = [
    Case(f"a guest in {where}", Scene.as_guest, channel, HIDDEN)
    for where, channel in (
        ("a group", "group"),
        ("a direct channel", "direct"),
        ("a broadcast channel", "broadcast"),
        ("a deleted channel", "doomed"),
        ("no channel at all", "nowhere"),
    )
]
PASSER_BY = Case("somebody who has not joined", _as("carol"), "open", ["PERMISSION_DENIED NOT_JOINED", *HIDDEN])

TABLE = [
    *((case, method) for case in STRANGERS for method in METHODS),
    *((case, method) for case in OUTSIDERS for method in ABOUT_A_CHANNEL),
    *((PLAIN_MEMBER, method) for method in ABOUT_A_CHANNEL if method.name not in MEMBERS_MAY),
    *((BLOCKED, method) for method in ABOUT_A_CHANNEL if method.name not in BLOCKED_MAY),
    *((PASSER_BY, method) for method in ABOUT_A_CHANNEL if method.name not in ANYBODY_MAY),
    *((GUEST, method) for method in METHODS if method.name not in GUESTS_MAY),
    *((UNWANTED_GUEST, method) for method in METHODS),
    *((case, method) for case in CURIOUS_GUESTS for method in ABOUT_A_CHANNEL if method.name in GUESTS_MAY),
]


@pytest.mark.parametrize(("case", "method"), TABLE, ids=lambda value: getattr(value, "who", None) or value.name)
async def test_who_does_not_belong_is_refused(scene: Scene, case: Case, method: Method) -> None:
    answer = await scene.api.attempt(case.metadata(scene), method.name, method.good_request(scene, case.channel))
    assert isinstance(answer, Refusal), (
        f"{method.name} was done for {case.who}: is it checked, or to be listed in this file?"
    )
    assert f"{answer.code} {answer.reason}" in case.answers, answer


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_another_application_is_shown_nothing(scene: Scene, method: Method) -> None:
    """But what they asked for by name: presence tells of whoever is named that they are not online."""
    answer = await scene.api.attempt(scene.as_foreigner(), method.name, method.good_request(scene))
    if isinstance(answer, bytes):
        shown = answer.replace(scene.id("bob").encode(), b"", 1)
        assert scene.suffix.encode() not in shown, f"{method.name} shows what is not theirs"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_nobody_acts_for_another(scene: Scene, method: Method) -> None:
    metadata = [*scene.as_("carol"), ("tertulia-user", scene.id("alice"))]
    answer = await scene.api.attempt(metadata, method.name, method.good_request(scene))
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.reason) == ("PERMISSION_DENIED", "SERVER_KEY_REQUIRED")


async def test_a_method_that_is_added_is_in_the_table() -> None:
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="new.proto", package="tertulia.chat.v1", syntax="proto3")
    for name in ("PeekRequest", "PeekResponse"):
        file.message_type.add(name=name)
    file.message_type[0].field.add(name="channel_id", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL")
    peek = file.service.add(name="NewService").method.add(name="Peek")
    peek.input_type, peek.output_type = ".tertulia.chat.v1.PeekRequest", ".tertulia.chat.v1.PeekResponse"
    pool.Add(file)
    [method] = unary_methods([pool.FindFileByName("new.proto")])
    assert method.name == "NewService/Peek"
    assert method.is_about_a_channel
    assert method.name not in MEMBERS_MAY | BLOCKED_MAY | ANYBODY_MAY | GUESTS_MAY, (
        "so it is expected to refuse all of them"
    )
