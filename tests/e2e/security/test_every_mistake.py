"""Every mistake that the API documents, one a line: who makes it, the call, and the code and reason of the answer.

None of them changes anything: the logs and the channels are the same afterwards.
"""

# ruff: noqa: S106 - page tokens are no passwords

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jwt
import pytest
from google.protobuf import field_mask_pb2, json_format
from google.protobuf.message import Message
from tertulia.chat.v1 import channel_pb2, error_pb2, event_pb2, message_pb2, presence_pb2, role_pb2, user_pb2

from tests.e2e.security.every_method import ABOUT_A_CHANNEL, Method
from tests.e2e.security.scene import Scene, send
from tests.support.api import Metadata, Refusal, bearer

pytestmark = pytest.mark.asyncio(loop_scope="package")


class Mistake(NamedTuple):
    """A call that must be refused, and how."""

    what: str
    by: str | Callable[[Scene], Metadata]
    """A person of the scene, "" for the back end, or metadata."""
    method: str
    request: Callable[[Scene], Message | bytes]
    code: str
    reason: str


def _token(scene: Scene, *, text: str = "", **claims: object) -> Metadata:
    secret = scene.api.secret
    now = int(time.time())
    all_claims = {"iss": secret.application_id, "aud": "tertulia", "exp": now + 60, "sub": scene.id("alice"), **claims}
    body = {name: value for name, value in all_claims.items() if value is not None}
    return bearer(jwt.encode(body, text or secret.text, algorithm="HS256", headers={"kid": secret.key_id}))


def _group(scene: Scene) -> Message:
    return channel_pb2.GetChannelRequest(channel_id=scene.id("group"))


TOKENS: Sequence[Mistake] = (
    Mistake("no token", lambda _: [], "ChannelService/GetChannel", _group, "UNAUTHENTICATED", "TOKEN_MISSING"),
    Mistake("an expired token", lambda s: _token(s, exp=1), "ChannelService/GetChannel", _group, "UNAUTHENTICATED", "TOKEN_EXPIRED"),
    Mistake("a forged token", lambda s: _token(s, text="another secret that is long enough to be one"), "ChannelService/GetChannel", _group, "UNAUTHENTICATED", "TOKEN_INVALID"),
    Mistake("a token for another audience", lambda s: _token(s, aud="elsewhere"), "ChannelService/GetChannel", _group, "UNAUTHENTICATED", "TOKEN_INVALID"),
    Mistake("a token of no known application", lambda s: _token(s, iss="nobody"), "ChannelService/GetChannel", _group, "UNAUTHENTICATED", "TOKEN_INVALID"),
    Mistake("a token that ends at no number", lambda s: _token(s, exp=float("nan")), "ChannelService/GetChannel", _group, "UNAUTHENTICATED", "TOKEN_INVALID"),
    Mistake("a guest's token that names a user, too", lambda s: _token(s, guest=True, sid="visit"), "ChannelService/GetChannel", _group, "UNAUTHENTICATED", "TOKEN_INVALID"),
    Mistake("a guest's token that is a back end's, too", lambda s: _token(s, sub=None, guest=True, server=True, sid="visit"), "ChannelService/GetChannel", _group, "UNAUTHENTICATED", "TOKEN_INVALID"),
    Mistake("a guest's token that names no visit", lambda s: _token(s, sub=None, guest=True), "ChannelService/GetChannel", _group, "UNAUTHENTICATED", "TOKEN_INVALID"),
    Mistake("a guest's token where none are let in", lambda s: bearer(s.foreign.guest_token("visit")), "ChannelService/GetChannel", _group, "PERMISSION_DENIED", "GUESTS_NOT_ALLOWED"),
    Mistake("what is no token", lambda _: bearer("none"), "ChannelService/GetChannel", _group, "UNAUTHENTICATED", "TOKEN_INVALID"),
)  # fmt: skip


def _about(channel: str, method: Method) -> Callable[[Scene], Message]:
    return lambda scene: method.good_request(scene, channel)


OUTSIDERS: Sequence[Mistake] = tuple(
    Mistake(f"{method.name} {where}", by, method.name, _about(channel, method), "NOT_FOUND", "CHANNEL_NOT_FOUND")
    for where, by, channel in (
        ("where there is no channel", "alice", "nowhere"),
        ("in a deleted channel", "alice", "doomed"),
        ("by somebody who is no member", "carol", "group"),
        ("by somebody of another application", Scene.as_foreigner, "group"),
    )
    for method in ABOUT_A_CHANNEL
)
"""They cannot tell these four from each other."""

NOT_JOINED: Sequence[Mistake] = tuple(
    Mistake(
        f"{method.name} before joining", "carol", method.name, _about("open", method), "PERMISSION_DENIED", "NOT_JOINED"
    )
    for method in ABOUT_A_CHANNEL
    if method.name.startswith("MessageService/")
)


def _g(scene: Scene) -> str:
    return scene.id("group")


def _edit(seq: Callable[[Scene], int], text: str = "x") -> Callable[[Scene], Message]:
    return lambda s: message_pb2.EditMessageRequest(
        channel_id=_g(s), seq=seq(s), client_id="e", message=event_pb2.Message(text=text)
    )


def _react(seq: Callable[[Scene], int], key: str = "+1") -> Callable[[Scene], Message]:
    return lambda s: message_pb2.AddReactionRequest(channel_id=_g(s), seq=seq(s), client_id="r", key=key)


def _create(**fields: object) -> Callable[[Scene], Message]:
    some = {"kind": channel_pb2.CHANNEL_KIND_GROUP, "name": "a name", **fields}
    return lambda _: json_format.ParseDict(some, channel_pb2.CreateChannelRequest())


def _update(path: str = "name", etag: str = "", **fields: object) -> Callable[[Scene], Message]:
    some = json_format.ParseDict(fields, event_pb2.ChannelFields())
    mask = field_mask_pb2.FieldMask(paths=[path])
    return lambda s: channel_pb2.UpdateChannelRequest(channel_id=_g(s), fields=some, update_mask=mask, etag=etag)


ALICES = lambda s: s.alices_seq  # noqa: E731 - a word in a table
DELETED = lambda s: s.deleted_seq  # noqa: E731
INVALID = ("INVALID_ARGUMENT", "FIELD_INVALID")
DENIED = ("PERMISSION_DENIED", "NOT_ALLOWED")
GUEST = ("PERMISSION_DENIED", "GUEST_READ_ONLY")
SERVER_ONLY = ("PERMISSION_DENIED", "SERVER_KEY_REQUIRED")
SEND, EDIT, DELETE, REACT = (
    f"MessageService/{name}" for name in ("SendMessage", "EditMessage", "DeleteMessage", "AddReaction")
)
LIST, EVENTS = "MessageService/ListMessages", "MessageService/ListEvents"
CREATE, UPDATE, ADD, REMOVE, ROLE = (
    f"ChannelService/{name}"
    for name in ("CreateChannel", "UpdateChannel", "AddMembers", "RemoveMembers", "SetMemberRole")
)
MEMBERS, MINE, OPEN = (f"ChannelService/{name}" for name in ("ListMembers", "ListMyChannels", "ListOpenChannels"))
READ, DELIVERED = "ChannelService/AdvanceReadPosition", "ChannelService/AdvanceDeliveredPosition"
UPSERT, FIND, USERS, BLOCK, REVOKE = (
    f"UserService/{name}" for name in ("UpsertUsers", "SearchUsers", "ListUsers", "BlockUser", "RevokeTokens")
)

MESSAGES: Sequence[Mistake] = (
    Mistake("no text and no data", "alice", SEND, lambda s: send(_g(s), ""), *INVALID),
    Mistake("10,001 characters", "alice", SEND, lambda s: send(_g(s), "x" * 10_001), *INVALID),
    Mistake("NUL in the text", "alice", SEND, lambda s: send(_g(s), "a\0b"), *INVALID),
    Mistake("a text that is no UTF-8", "alice", SEND, lambda s: send(_g(s), "abcd").SerializeToString().replace(b"abcd", b"ab\xff\xfe"), "INVALID_ARGUMENT", "FRAME_INVALID"),
    Mistake("what is no message at all", "alice", SEND, lambda _: b"\xff" * 20, "INVALID_ARGUMENT", "FRAME_INVALID"),
    Mistake("custom data of 16 KiB and a byte", "alice", SEND, lambda s: send(_g(s), custom_data="x" * 16_385), *INVALID),
    Mistake("51 mentions", "alice", SEND, lambda s: send(_g(s), mentioned_user_ids=[f"u{n}" for n in range(51)]), *INVALID),
    Mistake("somebody mentioned twice", "alice", SEND, lambda s: send(_g(s), mentioned_user_ids=["u", "u"]), *INVALID),
    Mistake("no client id", "alice", SEND, lambda s: message_pb2.SendMessageRequest(channel_id=_g(s), message=event_pb2.Message(text="x")), *INVALID),
    Mistake("a client id of 65 bytes", "alice", SEND, lambda s: send(_g(s), client_message_id="x" * 65), *INVALID),
    Mistake("a client id that was used for another text", "alice", SEND, lambda s: send(_g(s), "another", "used"), "ALREADY_EXISTS", "CLIENT_ID_REUSED"),
    Mistake("a reply to no message", "alice", SEND, lambda s: send(_g(s), reply_to_seq=999), "INVALID_ARGUMENT", "REPLY_TARGET_INVALID"),
    Mistake("a reply to a membership event", "alice", SEND, lambda s: send(_g(s), reply_to_seq=1), "INVALID_ARGUMENT", "REPLY_TARGET_INVALID"),
    Mistake("an original time by a user", "alice", SEND, lambda s: send(_g(s), original_time_ms=5), *SERVER_ONLY),
    Mistake("nobody to speak for", "", SEND, lambda s: send(_g(s)), *INVALID),
    Mistake("a message of 5 MB", "alice", SEND, lambda s: send(_g(s), "x" * 5_000_000), "RESOURCE_EXHAUSTED", "LIMIT_REACHED"),
    Mistake("writing to a broadcast channel", "bob", SEND, lambda s: send(s.id("broadcast")), *DENIED),
    Mistake("editing another's message", "bob", EDIT, _edit(ALICES), *DENIED),
    Mistake("editing a deleted message", "bob", EDIT, _edit(DELETED), "FAILED_PRECONDITION", "MESSAGE_DELETED"),
    Mistake("editing what is no message", "alice", EDIT, _edit(lambda _: 1), "NOT_FOUND", "MESSAGE_NOT_FOUND"),
    Mistake("editing above the head", "alice", EDIT, _edit(lambda _: 999), "NOT_FOUND", "MESSAGE_NOT_FOUND"),
    Mistake("editing to nothing", "alice", EDIT, _edit(ALICES, ""), *INVALID),
    Mistake("editing to 10,001 characters", "alice", EDIT, _edit(ALICES, "x" * 10_001), *INVALID),
    Mistake("deleting another's message", "bob", DELETE, lambda s: message_pb2.DeleteMessageRequest(channel_id=_g(s), seq=s.alices_seq, client_id="d"), *DENIED),
    Mistake("deleting what is no message", "alice", DELETE, lambda s: message_pb2.DeleteMessageRequest(channel_id=_g(s), seq=1, client_id="d"), "NOT_FOUND", "MESSAGE_NOT_FOUND"),
    Mistake("reacting to a deleted message", "alice", REACT, _react(DELETED), "FAILED_PRECONDITION", "MESSAGE_DELETED"),
    Mistake("reacting to what is no message", "alice", REACT, _react(lambda _: 1), "NOT_FOUND", "MESSAGE_NOT_FOUND"),
    Mistake("reacting with nothing", "alice", REACT, _react(ALICES, ""), *INVALID),
    Mistake("reacting with 65 bytes", "alice", REACT, _react(ALICES, "x" * 65), *INVALID),
    Mistake("reacting with a line break", "alice", REACT, _react(ALICES, "a\nb"), *INVALID),
    Mistake("no message at the seq", "alice", "MessageService/GetMessage", lambda s: message_pb2.GetMessageRequest(channel_id=_g(s), seq=999), "NOT_FOUND", "MESSAGE_NOT_FOUND"),
    Mistake("a page of -1", "alice", LIST, lambda s: message_pb2.ListMessagesRequest(channel_id=_g(s), page_size=-1), *INVALID),
    Mistake("a page of 2^31", "alice", LIST, lambda s: message_pb2.ListMessagesRequest(channel_id=_g(s)).SerializeToString() + b"\x10\x80\x80\x80\x80\x08", *INVALID),
    Mistake("a forged page token", "alice", LIST, lambda s: message_pb2.ListMessagesRequest(channel_id=_g(s), page_token="forged"), "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"),
    Mistake("a page token and an anchor", "alice", LIST, lambda s: message_pb2.ListMessagesRequest(channel_id=_g(s), page_token="x", before_seq=5), *INVALID),
    Mistake("events from below 0", "alice", EVENTS, lambda s: message_pb2.ListEventsRequest(channel_id=_g(s), after_seq=-1), *INVALID),
    Mistake("a channel id with *", "alice", SEND, lambda _: send("*"), *INVALID),
    Mistake("a channel id with >", "alice", SEND, lambda _: send("a>"), *INVALID),
    Mistake("a channel id with .", "alice", SEND, lambda _: send("a.b"), *INVALID),
    Mistake("a channel id of 65", "alice", SEND, lambda _: send("a" * 65), *INVALID),
)  # fmt: skip

CHANNELS: Sequence[Mistake] = (
    Mistake("no kind", "alice", CREATE, _create(kind=0), *INVALID),
    Mistake("a kind that there is not", "alice", CREATE, _create(kind=77), *INVALID),
    Mistake("an id of one's own", "alice", CREATE, _create(channel_id="mine"), *SERVER_ONLY),
    Mistake("an open channel by a user", "alice", CREATE, _create(kind=channel_pb2.CHANNEL_KIND_OPEN), *SERVER_ONLY),
    Mistake("a broadcast channel by a user", "alice", CREATE, _create(kind=channel_pb2.CHANNEL_KIND_BROADCAST), *SERVER_ONLY),
    Mistake("a direct channel with oneself", "alice", CREATE, lambda s: channel_pb2.CreateChannelRequest(kind=channel_pb2.CHANNEL_KIND_DIRECT, member_user_ids=[s.id("alice")]), *INVALID),
    Mistake("a direct channel of three", "alice", CREATE, lambda s: channel_pb2.CreateChannelRequest(kind=channel_pb2.CHANNEL_KIND_DIRECT, member_user_ids=[s.id("bob"), s.id("carol")]), *INVALID),
    Mistake("somebody who does not exist", "alice", CREATE, _create(member_user_ids=["nobody-at-all"]), "NOT_FOUND", "USER_NOT_FOUND"),
    Mistake("101 members", "alice", CREATE, _create(member_user_ids=[f"u{n}" for n in range(101)]), *INVALID),
    Mistake("a cover that is no https", "alice", CREATE, _create(cover_url="http://example.com/a.png"), *INVALID),
    Mistake("custom data of 16 KiB and a byte", "alice", CREATE, _create(custom_data="x" * 16_385), *INVALID),
    Mistake("an id that is taken", "", CREATE, lambda s: channel_pb2.CreateChannelRequest(kind=channel_pb2.CHANNEL_KIND_GROUP, channel_id=_g(s)), "ALREADY_EXISTS", "CHANNEL_EXISTS"),
    Mistake("an id that was deleted", "", CREATE, lambda s: channel_pb2.CreateChannelRequest(kind=channel_pb2.CHANNEL_KIND_GROUP, channel_id=s.id("doomed")), "ALREADY_EXISTS", "CHANNEL_EXISTS"),
    Mistake("a change by a member", "bob", UPDATE, _update(name="x"), *DENIED),
    Mistake("a change of nothing", "alice", UPDATE, lambda s: channel_pb2.UpdateChannelRequest(channel_id=_g(s), fields=event_pb2.ChannelFields(), update_mask=field_mask_pb2.FieldMask()), *INVALID),
    Mistake("a change of a field that there is not", "alice", UPDATE, _update(path="kind"), *INVALID),
    Mistake("a change of what was changed since", "alice", UPDATE, _update(name="x", etag="older"), "ABORTED", "ETAG_MISMATCH"),
    Mistake("slow mode of seven hours", "alice", UPDATE, _update(path="slow_mode_seconds", slow_mode_seconds=25_200), *INVALID),
    Mistake("adding by a member", "bob", ADD, lambda s: channel_pb2.AddMembersRequest(channel_id=_g(s), user_ids=[s.id("carol")]), *DENIED),
    Mistake("adding nobody", "alice", ADD, lambda s: channel_pb2.AddMembersRequest(channel_id=_g(s)), *INVALID),
    Mistake("adding who does not exist", "alice", ADD, lambda s: channel_pb2.AddMembersRequest(channel_id=_g(s), user_ids=["nobody-at-all"]), "NOT_FOUND", "USER_NOT_FOUND"),
    Mistake("removing by a member", "bob", REMOVE, lambda s: channel_pb2.RemoveMembersRequest(channel_id=_g(s), user_ids=[s.id("alice")]), *DENIED),
    Mistake("a role by a member", "bob", ROLE, lambda s: channel_pb2.SetMemberRoleRequest(channel_id=_g(s), user_id=s.id("bob"), role=role_pb2.MEMBER_ROLE_OWNER), *DENIED),
    Mistake("a role for no member", "alice", ROLE, lambda s: channel_pb2.SetMemberRoleRequest(channel_id=_g(s), user_id=s.id("carol"), role=role_pb2.MEMBER_ROLE_OPERATOR), "NOT_FOUND", "MEMBER_NOT_FOUND"),
    Mistake("no role", "alice", ROLE, lambda s: channel_pb2.SetMemberRoleRequest(channel_id=_g(s), user_id=s.id("bob")), *INVALID),
    Mistake("the last owner's role", "alice", ROLE, lambda s: channel_pb2.SetMemberRoleRequest(channel_id=_g(s), user_id=s.id("alice"), role=role_pb2.MEMBER_ROLE_MEMBER), "FAILED_PRECONDITION", "LAST_OWNER"),
    Mistake("deleting by a member", "bob", "ChannelService/DeleteChannel", lambda s: channel_pb2.DeleteChannelRequest(channel_id=_g(s)), *DENIED),
    Mistake("joining a group", "carol", "ChannelService/JoinChannel", lambda s: channel_pb2.JoinChannelRequest(channel_id=_g(s)), "NOT_FOUND", "CHANNEL_NOT_FOUND"),
    Mistake("a position above the head", "alice", READ, lambda s: channel_pb2.AdvanceReadPositionRequest(channel_id=_g(s), read_seq=999), "INVALID_ARGUMENT", "POSITION_ABOVE_HEAD"),
    Mistake("a position of 0", "alice", READ, lambda s: channel_pb2.AdvanceReadPositionRequest(channel_id=_g(s)), *INVALID),
    Mistake("a delivery above the head", "alice", DELIVERED, lambda s: channel_pb2.AdvanceDeliveredPositionRequest(channel_id=_g(s), delivered_seq=999), "INVALID_ARGUMENT", "POSITION_ABOVE_HEAD"),
    Mistake("members by the -1", "alice", MEMBERS, lambda s: channel_pb2.ListMembersRequest(channel_id=_g(s), page_size=-1), *INVALID),
    Mistake("members by a forged token", "alice", MEMBERS, lambda s: channel_pb2.ListMembersRequest(channel_id=_g(s), page_token="forged"), "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"),
    Mistake("channels by the -1", "alice", MINE, lambda _: channel_pb2.ListMyChannelsRequest(page_size=-1), *INVALID),
    Mistake("channels by a forged token", "alice", MINE, lambda _: channel_pb2.ListMyChannelsRequest(page_token="forged"), "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"),
    Mistake("open channels by a forged token", "alice", OPEN, lambda _: channel_pb2.ListOpenChannelsRequest(page_token="forged"), "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"),
)  # fmt: skip

PEOPLE: Sequence[Mistake] = (
    Mistake("another's profile", "bob", UPSERT, lambda s: user_pb2.UpsertUsersRequest(users=[user_pb2.UserProfile(user_id=s.id("alice"))]), *SERVER_ONLY),
    Mistake("a picture that is no https", "bob", UPSERT, lambda s: user_pb2.UpsertUsersRequest(users=[user_pb2.UserProfile(user_id=s.id("bob"), avatar_url="javascript:alert(1)")]), *INVALID),
    Mistake("a name with a control character", "bob", UPSERT, lambda s: user_pb2.UpsertUsersRequest(users=[user_pb2.UserProfile(user_id=s.id("bob"), name="a\tb")]), *INVALID),
    Mistake("nobody's profile", "bob", "UserService/GetUser", lambda _: user_pb2.GetUserRequest(user_id="nobody-at-all"), "NOT_FOUND", "USER_NOT_FOUND"),
    Mistake("all users by a user", "bob", USERS, lambda _: user_pb2.ListUsersRequest(), *SERVER_ONLY),
    Mistake("users by a forged token", "", USERS, lambda _: user_pb2.ListUsersRequest(page_token="forged"), "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"),
    Mistake("a search for nothing", "bob", FIND, lambda _: user_pb2.SearchUsersRequest(), *INVALID),
    Mistake("a search where it is not allowed", Scene.as_foreigner, FIND, lambda _: user_pb2.SearchUsersRequest(name_prefix="a"), *DENIED),
    Mistake("blocking oneself", "bob", BLOCK, lambda s: user_pb2.BlockUserRequest(user_id=s.id("bob")), *INVALID),
    Mistake("blocking nobody", "bob", BLOCK, lambda _: user_pb2.BlockUserRequest(user_id="nobody-at-all"), "NOT_FOUND", "USER_NOT_FOUND"),
    Mistake("presence of 101 people", "bob", "PresenceService/GetPresence", lambda _: presence_pb2.GetPresenceRequest(user_ids=[f"u{n}" for n in range(101)]), *INVALID),
    Mistake("revoking tokens by a user", "bob", REVOKE, lambda s: user_pb2.RevokeTokensRequest(user_id=s.id("bob")), *SERVER_ONLY),
    Mistake("revoking nobody's tokens", "", REVOKE, lambda _: user_pb2.RevokeTokensRequest(), *INVALID),
    Mistake("revoking tokens of next week", "", REVOKE, lambda s: user_pb2.RevokeTokensRequest(user_id=s.id("bob"), issued_before_ms=int(time.time() + 604_800) * 1_000), *INVALID),
    Mistake("joining by a guest", Scene.as_guest, "ChannelService/JoinChannel", lambda s: channel_pb2.JoinChannelRequest(channel_id=s.id("open")), *GUEST),
    Mistake("sending by a guest", Scene.as_guest, SEND, lambda s: send(s.id("open")), *GUEST),
    Mistake("a guest who asks for somebody", Scene.as_guest, "UserService/GetUser", lambda s: user_pb2.GetUserRequest(user_id=s.id("alice")), *GUEST),
    Mistake("reading a group by a guest", Scene.as_guest, LIST, lambda s: message_pb2.ListMessagesRequest(channel_id=_g(s)), "NOT_FOUND", "CHANNEL_NOT_FOUND"),
    Mistake("acting for a user by a guest", lambda s: [*s.as_guest(), ("tertulia-user", s.id("alice"))], LIST, lambda s: message_pb2.ListMessagesRequest(channel_id=_g(s)), *SERVER_ONLY),
    Mistake("a method that there is not", "bob", "UserService/Nothing", lambda _: b"", "UNIMPLEMENTED", "METHOD_UNKNOWN"),
)  # fmt: skip

ALL = (*TOKENS, *OUTSIDERS, *NOT_JOINED, *MESSAGES, *CHANNELS, *PEOPLE)


@pytest.mark.parametrize("mistake", ALL, ids=lambda mistake: mistake.what)
async def test_a_mistake_has_its_documented_answer(scene: Scene, mistake: Mistake) -> None:
    metadata = scene.as_(mistake.by) if isinstance(mistake.by, str) else mistake.by(scene)
    answer = await scene.api.attempt(metadata, mistake.method, mistake.request(scene))
    assert isinstance(answer, Refusal), f"{mistake.what}: it was done"
    assert (answer.code, answer.reason) == (mistake.code, mistake.reason), answer
    assert f"ERROR_REASON_{answer.reason}" in error_pb2.ErrorReason.keys()  # noqa: SIM118 - an enum of protobuf is no mapping
    assert answer.message
    assert "Traceback" not in answer.message
    assert ("BadRequest" in answer.details) == (mistake.reason == "FIELD_INVALID"), "fields that are wrong are named"


async def test_and_none_of_them_changed_anything(scene: Scene) -> None:
    events = await scene.api.call(
        scene.as_("alice"),
        EVENTS,
        message_pb2.ListEventsRequest(channel_id=_g(scene)),
        message_pb2.ListEventsResponse,
    )
    kinds = [event.WhichOneof("content") for event in events.slice.events]
    assert kinds == ["membership_change", "membership_change", "message", "message", "message_deleted"]
    members = await scene.api.call(
        scene.as_("alice"),
        MEMBERS,
        channel_pb2.ListMembersRequest(channel_id=_g(scene)),
        channel_pb2.ListMembersResponse,
    )
    assert [(member.user_id, member.role) for member in members.members] == [
        (scene.id("alice"), role_pb2.MEMBER_ROLE_OWNER),
        (scene.id("bob"), role_pb2.MEMBER_ROLE_MEMBER),
    ]
