"""Channels and members of a test's own."""

from libs.directory.changes import Action, Change, ChangeKind, MemberStep
from libs.directory.channels import Channel, ChannelFields, ChannelKind
from libs.directory.keys import ChannelKey, MemberKey
from libs.directory.members import Member, MemberRole, MemberState

TEAM = ChannelKey("shop", "team")


def channel(*, members: int = 3, pending: Change | None = None, kind: ChannelKind = ChannelKind.GROUP) -> Channel:
    return Channel(TEAM, b"l" * 16, kind, ChannelFields("The team"), "alice", (), 1_000, members, 5, pending)


def member(
    user_id: str,
    role: MemberRole = MemberRole.MEMBER,
    *,
    joined_ms: int = 1_000,
    state: MemberState = MemberState.ACTIVE,
) -> Member:
    return Member(MemberKey(*TEAM, user_id), state, role, joined_ms, version=1)


def change(*steps: MemberStep, version: int = 5, kind: ChangeKind = ChangeKind.MEMBERS) -> Change:
    return Change(kind, "alice", steps, version=version, log_seq=41)


def step(user_id: str, action: Action, role: MemberRole = MemberRole.MEMBER) -> MemberStep:
    return MemberStep(user_id, action, role, 1_000, user_id.encode().ljust(16, b"."), 7)
