"""Who may do what in a channel. Pure: no store, no clock."""

from dataclasses import dataclass, replace

from tertulia.chat.v1 import error_pb2

from libs.directory.channels import Channel, ChannelKind
from libs.directory.members import Member, MemberRole, MemberState
from libs.rpc.caller import Caller
from libs.rpc.errors import FailedPrecondition, FieldsInvalid, FieldViolation, PermissionDenied

_IN_CHARGE = (MemberRole.OWNER, MemberRole.OPERATOR)


@dataclass(frozen=True, slots=True)
class Permissions:
    """As tertulia.chat.v1.ChannelPermissions."""

    send: bool
    react: bool
    moderate: bool
    manage: bool
    own: bool


def permissions_of(channel: Channel, member: Member | None) -> Permissions:
    """What a member may do, or, with None, the application itself, which may do everything."""
    if member is None:
        return Permissions(send=True, react=True, moderate=True, manage=True, own=True)
    if channel.kind is ChannelKind.DIRECT:
        heard = not channel.blocked_by
        return Permissions(send=heard, react=heard, moderate=False, manage=False, own=False)
    in_charge = member.role in _IN_CHARGE
    return Permissions(
        send=in_charge or channel.kind is not ChannelKind.BROADCAST,
        react=True,
        moderate=in_charge,
        manage=in_charge,
        own=member.role is MemberRole.OWNER,
    )


def is_member(channel: Channel, member: Member | None) -> bool:
    """Whether the user of the row is a member now.

    `channel` must have been read before `member`: read after it, a removal that was carried out in between would leave no
    trace in either. Somebody being removed is out from the moment that the channel's row says so, and so is everybody when
    it is deleted; somebody being added is in when the row exists, which is after the event is on the log.
    """
    if channel.deleted or member is None or member.state is not MemberState.ACTIVE:
        return False
    return channel.pending is None or not channel.pending.removes(member.key.user_id)


def as_changed(channel: Channel, member: Member) -> Member:
    """A member as the change under way leaves them.

    What is said of a channel is said under its row's version, which is the pending change's: a role that it takes away and
    that were told under that version would be believed for ever.
    """
    change = channel.pending
    if change is None or member.version >= change.version:
        return member
    role = next((step.role for step in change.steps if step.user_id == member.key.user_id), member.role)
    return replace(member, role=role)


def acting_user(caller: Caller) -> str:
    """The user that a call is made for.

    Raises:
        FieldsInvalid: a server key was shown and no acting user named.
    """
    if not caller.user_id:
        raise FieldsInvalid([FieldViolation("tertulia-user", "name the acting user in this metadata")])
    return caller.user_id


def may_manage(caller: Caller, channel: Channel, member: Member | None) -> None:
    """For those who may see the channel: whether they may add and remove people, and change what is shown.

    Raises:
        FailedPrecondition: DIRECT_CHANNEL_FIXED.
        PermissionDenied: NOT_ALLOWED.
    """
    _not_direct(channel)
    if not caller.server and not permissions_of(channel, member).manage:
        raise _not_allowed("only an owner or an operator of the channel may do this")


def may_own(caller: Caller, channel: Channel, member: Member | None) -> None:
    """The same for giving roles, and for deleting the channel."""
    _not_direct(channel)
    if not caller.server and not permissions_of(channel, member).own:
        raise _not_allowed("only an owner of the channel may do this")


def may_remove(caller: Caller, channel: Channel, member: Member | None, removed: Member) -> None:
    """For those who may manage: whether they may remove this one.

    Raises:
        PermissionDenied: NOT_ALLOWED.
    """
    if removed.role in _IN_CHARGE and not caller.server and not permissions_of(channel, member).own:
        raise _not_allowed("only an owner removes owners and operators")


def _not_direct(channel: Channel) -> None:
    if channel.kind is ChannelKind.DIRECT:
        raise FailedPrecondition(
            "a direct channel never changes; create a group", error_pb2.ERROR_REASON_DIRECT_CHANNEL_FIXED
        )


def _not_allowed(message: str) -> PermissionDenied:
    return PermissionDenied(message, error_pb2.ERROR_REASON_NOT_ALLOWED)
