"""Who has blocked whom, as far as presence goes: to somebody who is blocked, the one who blocked them is never online."""

from collections.abc import Collection

from tertulia.chat.v1 import session_pb2
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.rpc.client import call


class Blocks:
    """Asks channel, each time: what is asked for is rare, and a block takes hold at once."""

    def __init__(self, access: "access_pb2_grpc.AccessServiceAsyncStub") -> None:
        self._access = access

    async def hidden_from(self, application_id: str, user_id: str, others: Collection[str]) -> set[str]:
        """Those of at most 1,000 others who have blocked a user. Nobody is hidden from the application itself.

        Raises:
            TertuliaError: channel does not answer.
        """
        if not user_id or not others:
            return set()
        request = access_pb2.WhoBlockedRequest(application_id=application_id, user_id=user_id, by_user_ids=others)
        return set((await call(self._access.WhoBlocked, request)).by_user_ids)


def never_seen(user_id: str) -> session_pb2.Presence:
    """How somebody is to those whom they have blocked."""
    return session_pb2.Presence(user_id=user_id)
