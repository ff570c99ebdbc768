"""People: profiles, blocks, presence."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from tertulia.caller import Caller, batches, pages
from tertulia.chat.v1 import presence_pb2, user_pb2
from tertulia.models import Presence, User
from tertulia.readings import presence_from, user_from

_PAGE_USERS = 200  # the largest page


class UserCalls:
    """People's profiles, and who is blocked. `on_block` hears of the blocks that are made and taken back here."""

    def __init__(self, call: Caller, on_block: Callable[[str, bool], None] = lambda _user_id, _blocked: None) -> None:
        self._call = call
        self._on_block = on_block

    async def get(self, user_id: str) -> User:
        """A user's profile.

        Raises:
            NotFound: USER_NOT_FOUND.
        """
        request = user_pb2.GetUserRequest(user_id=user_id)
        return user_from((await self._call("UserService/GetUser", request, user_pb2.GetUserResponse)).user)

    async def set(self, user_id: str, *, name: str | None = None, avatar_url: str | None = None) -> User:
        """Make a user, or change what is given of one. A user changes only itself; a server key any.

        Raises:
            PermissionDenied: somebody else's profile.
        """
        profile = user_pb2.UserProfile(user_id=user_id, name=name, avatar_url=avatar_url)
        return (await self._upsert([profile]))[0]

    async def ensure(self, user_ids: Sequence[str]) -> list[User]:
        """Make those that do not exist; answers all, in this order. In batches of 100."""
        users: list[User] = []
        for batch in batches(user_ids):
            users += await self._upsert([user_pb2.UserProfile(user_id=user_id) for user_id in batch])
        return users

    async def set_names(self, names: Mapping[str, str]) -> None:
        """Name many users at once: id → name. In batches of 100. For server keys."""
        for batch in batches(list(names)):
            await self._upsert([user_pb2.UserProfile(user_id=user_id, name=names[user_id]) for user_id in batch])

    async def everyone(self) -> AsyncIterator[User]:
        """All users of the application, in order of user id. For server keys.

        Raises:
            PermissionDenied: SERVER_KEY_REQUIRED.
        """

        async def ask(token: str) -> user_pb2.ListUsersResponse:
            request = user_pb2.ListUsersRequest(page_size=_PAGE_USERS, page_token=token)
            return await self._call("UserService/ListUsers", request, user_pb2.ListUsersResponse)

        async for page in pages(ask):
            for user in page.users:
                yield user_from(user)

    async def search(self, name_prefix: str) -> AsyncIterator[User]:
        """Users by how their names begin, upper and lower case alike, in order of their names.

        Raises:
            PermissionDenied: NOT_ALLOWED, the application does not let its users search.
        """

        async def ask(token: str) -> user_pb2.SearchUsersResponse:
            request = user_pb2.SearchUsersRequest(name_prefix=name_prefix, page_size=_PAGE_USERS, page_token=token)
            return await self._call("UserService/SearchUsers", request, user_pb2.SearchUsersResponse)

        async for page in pages(ask):
            for user in page.users:
                yield user_from(user)

    async def block(self, user_id: str) -> None:
        """Block somebody: neither of the two writes in their direct channel any more, the blocked person adds the caller to no
        channel, mentions by them are not counted, and to them the caller is never online. They are not told.

        Raises:
            NotFound: USER_NOT_FOUND.
            ResourceExhausted: LIMIT_REACHED, 1,000 people are blocked already.
        """
        request = user_pb2.BlockUserRequest(user_id=user_id)
        await self._call("UserService/BlockUser", request, user_pb2.BlockUserResponse)
        self._on_block(user_id, True)

    async def unblock(self, user_id: str) -> None:
        """Take a block back. If there is none: changes nothing."""
        request = user_pb2.UnblockUserRequest(user_id=user_id)
        await self._call("UserService/UnblockUser", request, user_pb2.UnblockUserResponse)
        self._on_block(user_id, False)

    async def blocked(self) -> AsyncIterator[User]:
        """Whom the caller has blocked, in order of user id."""

        async def ask(token: str) -> user_pb2.ListBlockedUsersResponse:
            request = user_pb2.ListBlockedUsersRequest(page_size=_PAGE_USERS, page_token=token)
            return await self._call("UserService/ListBlockedUsers", request, user_pb2.ListBlockedUsersResponse)

        async for page in pages(ask):
            for user in page.users:
                yield user_from(user)

    async def revoke_tokens(self, user_id: str, *, session_id: str = "", issued_before_ms: int = 0) -> int:
        """Refuse a user's tokens that were issued before a time, milliseconds since the Unix epoch; 0: now. With `session_id` only
        those with that claim `sid`. Their sessions end within 5 s. Answers with the time that holds. For server keys.

        Raises:
            PermissionDenied: SERVER_KEY_REQUIRED.
            InvalidArgument: the time is more than a minute ahead.
            OutcomeUnknown: it is kept, but not everybody could be told; repeat it.
        """
        request = user_pb2.RevokeTokensRequest(
            user_id=user_id, session_id=session_id, issued_before_ms=issued_before_ms
        )
        response = await self._call("UserService/RevokeTokens", request, user_pb2.RevokeTokensResponse)
        return response.issued_before_ms

    async def _upsert(self, profiles: Sequence[user_pb2.UserProfile]) -> list[User]:
        request = user_pb2.UpsertUsersRequest(users=profiles)
        response = await self._call("UserService/UpsertUsers", request, user_pb2.UpsertUsersResponse)
        return [user_from(user) for user in response.users]


class PresenceCalls:
    """Who is here."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    async def get(self, user_ids: Sequence[str]) -> list[Presence]:
        """The presence of some users, in this order."""
        found: list[Presence] = []
        for batch in batches(user_ids):
            request = presence_pb2.GetPresenceRequest(user_ids=batch)
            response = await self._call("PresenceService/GetPresence", request, presence_pb2.GetPresenceResponse)
            found += [presence_from(presence) for presence in response.presences]
        return found
