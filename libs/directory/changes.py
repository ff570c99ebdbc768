"""A change of a channel's membership, as it is recorded beside the channel until every step of it is done."""

from dataclasses import asdict, dataclass
from enum import StrEnum

import orjson

from libs.directory.keys import ChannelKey, MemberKey
from libs.directory.members import Member, MemberRole, MemberState


class Action(StrEnum):
    JOIN = "join"
    LEAVE = "leave"
    PROMOTE = "promote"
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
    """All that is needed to carry a change out, or to finish it after a crash."""

    version: int
    """The version of membership and policy that it makes."""
    actor_user_id: str
    """Who caused it. Empty: the application."""
    log_seq: int
    """The head of the channel's log before the change: a retried event is looked for from there on."""
    steps: tuple[MemberStep, ...]

    @property
    def joining(self) -> tuple[MemberStep, ...]:
        return tuple(step for step in self.steps if step.action is Action.JOIN)

    @property
    def leaving(self) -> tuple[MemberStep, ...]:
        return tuple(step for step in self.steps if step.action is Action.LEAVE)

    def removes(self, user_id: str) -> bool:
        return any(step.user_id == user_id for step in self.leaving)

    def members(self, channel: ChannelKey) -> tuple[Member, ...]:
        """The member rows that the change leads to."""
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
        fields = orjson.loads(text)
        steps = tuple(
            MemberStep(
                user_id=step["user_id"],
                action=Action(step["action"]),
                role=MemberRole(step["role"]),
                join_time_ms=step["join_time_ms"],
                inbox_log_id=bytes.fromhex(step["inbox_log_id"]),
                inbox_seq=step["inbox_seq"],
            )
            for step in fields["steps"]
        )
        return cls(fields["version"], fields["actor_user_id"], fields["log_seq"], steps)
