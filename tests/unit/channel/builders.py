"""Channels and members of a test's own."""

from libs.directory.changes import Action, Change, MemberStep
from libs.directory.channels import Channel, ChannelKind
from libs.directory.keys import ChannelKey, MemberKey
from libs.directory.members import Member, MemberRole, MemberState

TEAM = ChannelKey("shop", "team")


def channel(*, members: int = 3, pending: Change | None = None, kind: ChannelKind = ChannelKind.GROUP) -> Channel:
    return Channel(TEAM, b"l" * 16, kind, "The team", "alice", (), 1_000, members, 5, pending)


def member(
    user_id: str, *, owner: bool = False, joined_ms: int = 1_000, state: MemberState = MemberState.ACTIVE
) -> Member:
    role = MemberRole.OWNER if owner else MemberRole.MEMBER
    return Member(MemberKey(*TEAM, user_id), state, role, joined_ms, version=1)


def change(*steps: MemberStep, version: int = 5) -> Change:
    return Change(version, "alice", 41, steps)


def step(user_id: str, action: Action) -> MemberStep:
    return MemberStep(user_id, action, MemberRole.MEMBER, 1_000, user_id.encode().ljust(16, b"."), 7)
