"""Who may do what in a channel, and under which version of its policy that is known."""

from collections.abc import Callable

from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.rpc.caller import Caller
from libs.rpc.client import call
from services.gateway.cache import ExpiringCache, SharedCalls
from services.gateway.log_client import LogName

_CACHED = 50_000


class Grant:
    """A user is a member of a channel, or the application itself acts in it."""

    __slots__ = ("channel_id", "log", "member_count", "policy_version", "user_id")

    def __init__(self, log: LogName, channel_id: str, user_id: str, policy_version: int, member_count: int) -> None:
        self.log = log
        self.channel_id = channel_id
        self.user_id = user_id
        """Empty: the application itself."""
        self.policy_version = policy_version
        """The newest version of the channel's membership and policy under which this is known to be so. It only rises."""
        self.member_count = member_count


class Grants:
    """Asks channel, and believes the answer for `cache_seconds` unless a newer policy is heard of here.

    `policy_version(log_id)` is the newest version that this gateway has heard of; 0: it does not listen to the log.
    """

    def __init__(
        self,
        access: "access_pb2_grpc.AccessServiceAsyncStub",
        cache_seconds: float,
        policy_version: Callable[[bytes], int],
    ) -> None:
        self._access = access
        self._cache_seconds = cache_seconds
        self._policy_version = policy_version
        self._cache: ExpiringCache[tuple[str, str, str], Grant] = ExpiringCache(_CACHED)
        self._calls: SharedCalls[tuple[str, str, str], Grant] = SharedCalls()

    async def get(self, caller: Caller, channel_id: str) -> Grant:
        """What the caller's user, or the application itself, has in a channel.

        Raises:
            NotFound: CHANNEL_NOT_FOUND: it is no member, or there is no such channel.
            TertuliaError: channel does not answer.
        """
        key = (caller.application_id, channel_id, caller.user_id)
        grant = self._cache.get(key)
        if grant is not None and grant.policy_version >= self._policy_version(grant.log.log_id):
            return grant
        return await self._calls.call(key, lambda: self._ask(key))

    async def _ask(self, key: tuple[str, str, str]) -> Grant:
        application_id, channel_id, user_id = key
        self._cache.drop(key)
        response = await self._authorize(application_id, channel_id, user_id)
        log = LogName(application_id, response.log_id)
        grant = Grant(log, channel_id, user_id, response.policy_version, response.member_count)
        self._cache.put(key, grant, self._cache_seconds)
        return grant

    async def renew(self, grant: Grant) -> None:
        """Ask whether a grant still holds, and under which version.

        Raises:
            NotFound: it does not.
            TertuliaError: channel does not answer.
        """
        response = await self._authorize(grant.log.application_id, grant.channel_id, grant.user_id)
        grant.policy_version = max(grant.policy_version, response.policy_version)
        grant.member_count = response.member_count

    async def _authorize(self, application_id: str, channel_id: str, user_id: str) -> access_pb2.AuthorizeResponse:
        request = access_pb2.AuthorizeRequest(application_id=application_id, channel_id=channel_id, user_id=user_id)
        return await call(self._access.Authorize, request)
