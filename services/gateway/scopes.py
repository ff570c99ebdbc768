"""What a server key must be good for to call a method: all that scopes mean is this table. And what guests may call."""

from collections.abc import Mapping

from tertulia.chat.v1 import error_pb2
from tertulia_internal.channel.v1 import access_pb2

from libs.rpc.errors import PermissionDenied, guest_read_only
from services.gateway.identity import Identity

READ, SEND, MANAGE = access_pb2.KEY_SCOPE_READ, access_pb2.KEY_SCOPE_SEND, access_pb2.KEY_SCOPE_MANAGE
SERVER_SCOPES = frozenset({READ, SEND, MANAGE})
"""A server token needs one of them."""
ALL_SCOPES = SERVER_SCOPES | {access_pb2.KEY_SCOPE_USERS}

_BY_SCOPE: Mapping[access_pb2.KeyScope.ValueType, tuple[str, ...]] = {
    READ: (
        "ChannelService/GetChannel",
        "ChannelService/ListMembers",
        "ChannelService/ListMyChannels",
        "ChannelService/ListOpenChannels",
        "MessageService/GetMessage",
        "MessageService/ListEvents",
        "MessageService/ListMessages",
        "PresenceService/GetPresence",
        "UserService/GetUser",
        "UserService/ListBlockedUsers",
        "UserService/ListUsers",
        "UserService/SearchUsers",
    ),
    # what leaves alone what others have said
    SEND: (
        "ChannelService/AdvanceDeliveredPosition",
        "ChannelService/AdvanceReadPosition",
        "MessageService/AddReaction",
        "MessageService/RemoveReaction",
        "MessageService/SendMessage",
        "PresenceService/SetTyping",
    ),
    MANAGE: (
        "ChannelService/AddMembers",
        "ChannelService/CreateChannel",
        "ChannelService/DeleteChannel",
        "ChannelService/JoinChannel",
        "ChannelService/LeaveChannel",
        "ChannelService/RemoveMembers",
        "ChannelService/SetChannelPreferences",
        "ChannelService/SetMemberRole",
        "ChannelService/UpdateChannel",
        "MessageService/DeleteMessage",
        "MessageService/EditMessage",
        "UserService/BlockUser",
        "UserService/RevokeTokens",
        "UserService/UnblockUser",
        "UserService/UpsertUsers",
    ),
}
NEEDED = {method: scope for scope, methods in _BY_SCOPE.items() for method in methods}
"""Of every unary method, called as one or on a session, and of the commands of sessions that do the same."""


GUESTS_MAY = frozenset(
    {
        "ChannelService/GetChannel",
        "ChannelService/ListOpenChannels",
        "MessageService/GetMessage",
        "MessageService/ListEvents",
        "MessageService/ListMessages",
    }
)
"""Each of them shows guests open channels only."""


def require_scope(identity: Identity, method: str) -> None:
    """Refuse a server key that is not good for a method, and guests what is not for them. Users may do what they may do.

    Raises:
        PermissionDenied: SCOPE_REQUIRED or GUEST_READ_ONLY.
    """
    if identity.caller.guest and method not in GUESTS_MAY:
        raise guest_read_only()
    needed = NEEDED.get(method, MANAGE)
    if not identity.caller.server or needed in identity.scopes:
        return
    scope = access_pb2.KeyScope.Name(needed).removeprefix("KEY_SCOPE_").lower()
    raise PermissionDenied(
        f"{method} needs a server key with the scope {scope}; this one was made without",
        error_pb2.ERROR_REASON_SCOPE_REQUIRED,
        metadata={"scope": scope},
    )
