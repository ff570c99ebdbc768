"""A change of a channel's membership or policy, as it is recorded beside the channel until every step of it is done."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import orjson

from libs.directory.blocks import Block
from libs.directory.keys import ChannelKey, MemberKey
from libs.directory.members import Member, MemberRole, MemberState


class ChangeKind(StrEnum):
    MEMBERS = "members"
    """People come, go, or get other roles: the steps say it."""
    FIELDS = "fields"
    """What is shown of the channel, or its slow mode: the channel's row has the new values."""
    BLOCK = "block"
    """Of a direct channel: one of the two blocks the other, or no longer does."""
    DELETION = "deletion"


class Action(StrEnum):
    JOIN = "join"
    LEAVE = "leave"
    ROLE = "role"
    """A member gets another role; nobody's membership changes by it."""


@dataclass(frozen=True, slots=True)
class MemberStep:
    """What the change does to one user."""

    user_id: str
    action: Action
    role: MemberRole
    join_time_ms: int
    inbox_log_id: bytes = b""
    inbox_seq: int = 0
    """The head of the user's inbox before the change: a retried entry is looked for from there on."""


@dataclass(frozen=True, slots=True)
class Change:
    """All that is needed, beside the channel's row, to carry a change out, or to finish it after a crash."""

    kind: ChangeKind
    actor_user_id: str
    """Who caused it. Empty: the application."""
    steps: tuple[MemberStep, ...] = ()
    block: Block | None = None
    """Of a BLOCK: the row that it leads to."""
    old_name: str = ""
    """Of FIELDS and a DELETION: what the channel was called before."""
    version: int = 0
    """The version of membership and policy that it makes."""
    log_seq: int = 0
    """The head of the channel's log before the change: a retried event is looked for from there on."""

    @property
    def joining(self) -> tuple[MemberStep, ...]:
        return tuple(step for step in self.steps if step.action is Action.JOIN)

    @property
    def leaving(self) -> tuple[MemberStep, ...]:
        return tuple(step for step in self.steps if step.action is Action.LEAVE)

    def removes(self, user_id: str) -> bool:
        return any(step.user_id == user_id for step in self.leaving)

    def members(self, channel: ChannelKey) -> tuple[Member, ...]:
        """The member rows that the steps lead to."""
        return tuple(
            Member(
                key=MemberKey(*channel, step.user_id),
                state=MemberState.LEFT if step.action is Action.LEAVE else MemberState.ACTIVE,
                role=step.role,
                join_time_ms=step.join_time_ms,
                version=self.version,
            )
            for step in self.steps
        )

    def to_json(self) -> str:
        return orjson.dumps(asdict(self), default=bytes.hex).decode()

    @classmethod
    def from_json(cls, text: str) -> "Change":
        fields: dict[str, Any] = orjson.loads(text)
        block = fields["block"]
        return cls(
            kind=ChangeKind(fields["kind"]),
            actor_user_id=fields["actor_user_id"],
            steps=tuple(_step(**step) for step in fields["steps"]),
            block=Block(**block) if block else None,
            old_name=fields["old_name"],
            version=fields["version"],
            log_seq=fields["log_seq"],
        )


def _step(*, action: str, role: int, inbox_log_id: str, **rest: Any) -> MemberStep:
    return MemberStep(action=Action(action), role=MemberRole(role), inbox_log_id=bytes.fromhex(inbox_log_id), **rest)
