"""Who may do what in a channel, and under which version of its policy that is known."""

from collections.abc import Callable

from tertulia.chat.v1 import channel_pb2, event_pb2
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.rpc.caller import Caller
from libs.rpc.client import call
from libs.rpc.errors import guest_read_only
from services.gateway.cache import ExpiringCache, SharedCalls
from services.gateway.log_client import LogName
from services.gateway.segments import policy_version_of

_CACHED = 50_000


class Grant:
    """What a member of a channel, or the application itself, may do in it. Nothing, until channel has told of it."""

    __slots__ = ("blocked", "channel_id", "log", "may_moderate", "may_react", "may_send", "member_count", "member_version",
                 "policy_version", "slow_mode_ms", "user_id")  # fmt: skip

    def __init__(self, log: LogName, channel_id: str, user_id: str) -> None:
        self.log = log
        self.channel_id = channel_id
        self.user_id = user_id
        """Empty: the application itself."""
        self.member_count = 0
        self.member_version = 0
        """The newest version of the channel's membership and policy under which the user is known to be a member."""
        self.policy_version = 0
        """The newest one under which all of the rest is known. Neither falls, and this is never the higher one."""
        self.may_send = False
        self.may_react = False
        self.may_moderate = False
        self.blocked = False
        """One of the two people of a direct channel has blocked the other: that is why the user may not send."""
        self.slow_mode_ms = 0
        """How long the user waits between two messages; 0: not at all."""

    @property
    def stale(self) -> bool:
        """A change was heard of that may have changed what the user may do."""
        return self.member_version > self.policy_version

    def told(
        self,
        policy_version: int,
        member_count: int,
        permissions: channel_pb2.ChannelPermissions,
        slow_mode_ms: int,
        *,
        blocked: bool,
    ) -> None:
        """Channel has said how it is. What a newer answer has overtaken changes nothing."""
        if policy_version < self.policy_version:
            return
        self.policy_version = policy_version
        self.member_version = max(self.member_version, policy_version)
        self.member_count = member_count
        self.may_send = permissions.send
        self.may_react = permissions.react
        self.may_moderate = permissions.moderate
        self.blocked = blocked
        self.slow_mode_ms = slow_mode_ms

    def heard(self, event: event_pb2.Event) -> None:
        """The channel's log tells of a change after which the user is still a member.

        It leaves the grant as good as it was only if it is the very next change, and one of others' membership.
        """
        version = policy_version_of(event)
        if version <= self.member_version:
            return
        change = event.membership_change
        concerned = not event.HasField("membership_change") or any(
            role.user_id == self.user_id for role in change.role_changes
        )
        if not concerned and self.policy_version == version - 1:
            self.policy_version = version
        self.member_version = version
        self.member_count += len(change.added_user_ids) - len(change.removed_user_ids)


def member_grant(application_id: str, user_id: str, mine: channel_pb2.MyChannel) -> Grant:
    """What a user may do in a channel that is among theirs."""
    channel = mine.channel
    grant = Grant(LogName(application_id, channel.log_id), channel.channel_id, user_id)
    grant.told(
        channel.policy_version,
        channel.member_count,
        mine.permissions,
        0 if mine.permissions.moderate else channel.slow_mode_seconds * 1_000,
        blocked=channel.kind == channel_pb2.CHANNEL_KIND_DIRECT and not mine.permissions.send,
    )
    return grant


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
        self._open_logs: SharedCalls[tuple[str, str], LogName] = SharedCalls()

    async def get(self, caller: Caller, channel_id: str) -> Grant:
        """What the caller's user, or the application itself, has in a channel.

        Raises:
            NotFound: CHANNEL_NOT_FOUND: it is no member, or there is no such channel.
            PermissionDenied: NOT_JOINED: it is no member of an open channel. GUEST_READ_ONLY: it is a guest.
            TertuliaError: channel does not answer.
        """
        if caller.guest:  # has no user id either, and is not the application itself
            raise guest_read_only()
        key = (caller.application_id, channel_id, caller.user_id)
        grant = self._cache.get(key)
        if grant is not None and grant.policy_version >= self._policy_version(grant.log.log_id):
            return grant
        return await self._calls.call(key, lambda: self._ask(key))

    async def _ask(self, key: tuple[str, str, str]) -> Grant:
        application_id, channel_id, user_id = key
        self._cache.drop(key)
        answer = await self._authorize(application_id, channel_id, user_id)
        grant = Grant(LogName(application_id, answer.log_id), channel_id, user_id)
        _tell(grant, answer)
        self._cache.put(key, grant, self._cache_seconds)
        return grant

    async def open_log(self, application_id: str, channel_id: str) -> LogName:
        """The log of an open channel, for guests. Those who ask at the same time share the answer, and it is not kept: a channel that is
        deleted is closed to them when what is under way has ended, within 5 s.

        Raises:
            NotFound: CHANNEL_NOT_FOUND: there is no such channel, or it is not open.
            TertuliaError: channel does not answer.
        """
        return await self._open_logs.call(
            (application_id, channel_id), lambda: self._ask_for_log(application_id, channel_id)
        )

    async def _ask_for_log(self, application_id: str, channel_id: str) -> LogName:
        request = access_pb2.AuthorizeGuestRequest(application_id=application_id, channel_id=channel_id)
        return LogName(application_id, (await call(self._access.AuthorizeGuest, request)).log_id)

    async def renew(self, grant: Grant) -> None:
        """Ask whether a grant still holds, and what it is now.

        Raises:
            NotFound, PermissionDenied: as `get`: it does not.
            TertuliaError: channel does not answer.
        """
        _tell(grant, await self._authorize(grant.log.application_id, grant.channel_id, grant.user_id))

    async def _authorize(self, application_id: str, channel_id: str, user_id: str) -> access_pb2.AuthorizeResponse:
        request = access_pb2.AuthorizeRequest(application_id=application_id, channel_id=channel_id, user_id=user_id)
        return await call(self._access.Authorize, request)


def _tell(grant: Grant, answer: access_pb2.AuthorizeResponse) -> None:
    grant.told(
        answer.policy_version,
        answer.member_count,
        answer.permissions,
        answer.slow_mode_ms,
        blocked=answer.blocked,
    )
