"""Which service may call which method of another one, as their certificates say who they are.

Where there is no TLS, nobody's name is known, and everybody is believed: that is for one machine, or a network that keeps others out.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import structlog
from prometheus_client import CollectorRegistry, Counter
from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import PermissionDenied

log = structlog.get_logger()

GATEWAY, CHANNEL, MESSAGE_STORE, PRESENCE = "gateway", "channel", "message_store", "presence"
"""What their certificates call them, each a DNS name among its subject alternative names. The web door is a client of the
gateway's public port, and has none."""

_LOG = "/tertulia_internal.message_store.v1.LogService"
_OWNER = "/tertulia_internal.message_store.v1.OwnerService"
_ACCESS = "/tertulia_internal.channel.v1.AccessService"
_PRESENCE_SERVICE = "/tertulia_internal.presence.v1.PresenceService"

MAY_CALL: Mapping[str, AbstractSet[str]] = {
    f"{_LOG}/Append": {GATEWAY, CHANNEL},
    f"{_LOG}/Read": {GATEWAY, CHANNEL},
    f"{_LOG}/Heads": {GATEWAY, CHANNEL},
    f"{_LOG}/Counts": {GATEWAY, CHANNEL},
    f"{_LOG}/MentionCounts": {GATEWAY, CHANNEL},
    f"{_LOG}/Changes": set(),  # for those who must miss nothing; there are none yet
    f"{_OWNER}/ListOwners": {GATEWAY, CHANNEL},
    f"{_OWNER}/HandOver": {MESSAGE_STORE},
    "/tertulia_internal.link.v1.LinkService/Open": {GATEWAY, CHANNEL, MESSAGE_STORE},  # each call on it is checked, too
    f"{_ACCESS}/GetKey": {GATEWAY},
    f"{_ACCESS}/Authorize": {GATEWAY},
    f"{_ACCESS}/AuthorizeGuest": {GATEWAY},
    f"{_ACCESS}/OpenInbox": {GATEWAY},
    f"{_ACCESS}/AdvanceDelivered": {GATEWAY},
    f"{_ACCESS}/AdvancePositions": {GATEWAY},
    f"{_ACCESS}/WhoBlocked": {GATEWAY},
    f"{_ACCESS}/GetRevocations": {GATEWAY},
    f"{_PRESENCE_SERVICE}/Report": {GATEWAY},
    f"{_PRESENCE_SERVICE}/AnnounceTyping": {GATEWAY},
    f"{_PRESENCE_SERVICE}/GetPresence": {GATEWAY},
}
"""What is not in it, nobody may call."""

_PASSED_ON = ("/tertulia.chat.v1.UserService/", "/tertulia.chat.v1.ChannelService/")
"""Public services that channel serves: whoever authenticates users passes their calls on."""

AT_THE_PUBLIC_PORT = frozenset({"/tertulia_internal.gateway.v1.CarrierService/Carry"})
"""Of the gateway. Whoever calls it shows the token of each user."""


class CallerCheck:
    """Refuses calls of services that may not call the method, and counts them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refused = Counter(
            "tertulia_rpc_callers_refused", "Calls of services that may not call it.", ["method"], registry=registry
        )

    def check(self, method: str, names: AbstractSet[str] | None) -> None:
        """`names`: those in the certificate that the caller has shown; None: there is no TLS.

        Raises:
            PermissionDenied: CALLER_NOT_ALLOWED: none of them may.
        """
        if names is None or not names.isdisjoint(may_call(method)):
            return
        self._refused.labels(method).inc()
        log.warning("caller_refused", method=method, caller=sorted(names))
        shown = f"one for {', '.join(sorted(names))}" if names else "none with a DNS name in a handshake of TLS 1.3"
        raise PermissionDenied(
            f"by its certificate ({shown}) the service may not call {method}; libs/rpc/callers.py says who may",
            error_pb2.ERROR_REASON_CALLER_NOT_ALLOWED,
        )


def may_call(method: str) -> AbstractSet[str]:
    """Who may call a method, "/<service>/<method>", of a service of ours."""
    return {GATEWAY} if method.startswith(_PASSED_ON) else MAY_CALL.get(method, frozenset())
