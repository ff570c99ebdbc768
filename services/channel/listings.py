"""Pages of what an application has: users, open channels; and of whom a user has blocked."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from tertulia.chat.v1 import error_pb2

from libs.directory.channels import Channel, ChannelKind
from libs.directory.directory import Directory
from libs.directory.keys import ChannelKey, UserKey
from libs.directory.names import Listing, Place, folded
from libs.directory.users import User
from libs.rpc.caller import Caller
from libs.rpc.errors import PermissionDenied
from services.channel.applications import Applications

PAGE, PAGE_MAX = 50, 200

Item = TypeVar("Item")


class Page(NamedTuple, Generic[Item]):
    """Some items, and the token of what follows; empty: nothing does."""

    items: list[Item]
    next_page_token: str


class Listings:
    """Reads pages, which may be short. A forged page token: InvalidArgument, PAGE_TOKEN_INVALID."""

    def __init__(self, directory: Directory, applications: Applications) -> None:
        self._directory = directory
        self._applications = applications

    async def users(self, caller: Caller, page_size: int, page_token: str) -> Page[User]:
        """All users in order of their ids.

        Raises:
            PermissionDenied: SERVER_KEY_REQUIRED.
        """
        if not caller.server:
            raise PermissionDenied(
                "only server keys list users; SearchUsers finds some", error_pb2.ERROR_REASON_SERVER_KEY_REQUIRED
            )
        return await self._page(caller, Listing.USERS, "", page_size, page_token, self._users)

    async def search_users(self, caller: Caller, name_prefix: str, page_size: int, page_token: str) -> Page[User]:
        """Users whose names begin so, in order of their names.

        Raises:
            PermissionDenied: NOT_ALLOWED: the application does not allow it to its users.
        """
        application = await self._applications.existing(caller.application_id)
        if not caller.server and not application.users_may_search:
            raise PermissionDenied(
                "the application does not let its users search for others", error_pb2.ERROR_REASON_NOT_ALLOWED
            )
        prefix = name_prefix.casefold()

        async def users(application_id: str, places: Sequence[Place]) -> list[User]:
            found = zip(places, await self._found_users(application_id, places), strict=True)
            return [
                user
                for place, user in found
                if user is not None and folded(user.name) == place.name and user.name.casefold().startswith(prefix)
            ]

        return await self._page(caller, Listing.USER_NAMES, name_prefix, page_size, page_token, users)

    async def open_channels(self, caller: Caller, name_prefix: str, page_size: int, page_token: str) -> Page[Channel]:
        """Open channels whose names begin so, in order of their names."""
        prefix = name_prefix.casefold()

        async def channels(application_id: str, places: Sequence[Place]) -> list[Channel]:
            keys = [ChannelKey(application_id, place.item_id) for place in places]
            found = zip(places, await self._directory.channels.get(keys), strict=True)
            return [
                channel
                for place, channel in found
                if channel is not None
                and channel.kind is ChannelKind.OPEN
                and not channel.deleted
                and folded(channel.fields.name) == place.name
                and channel.fields.name.casefold().startswith(prefix)
            ]

        return await self._page(caller, Listing.OPEN_CHANNELS, name_prefix, page_size, page_token, channels)

    async def blocked_by(self, caller: Caller, user_id: str, page_size: int, page_token: str) -> Page[User]:
        """Whom a user has blocked, in order of their ids."""
        tokens = await self._applications.page_tokens(caller, "blocked")
        after = str(tokens.unseal(page_token)[0]) if page_token else ""
        size = _size(page_size)
        blocks = await self._directory.blocks.of_user(UserKey(caller.application_id, user_id), after, size)
        ids = [block.blocked_user_id for block in blocks]
        users = await self._directory.users.get([UserKey(caller.application_id, blocked) for blocked in ids])
        return Page([user for user in users if user is not None], tokens.seal(ids[-1]) if len(ids) == size else "")

    async def _page(
        self,
        caller: Caller,
        listing: Listing,
        name_prefix: str,
        page_size: int,
        page_token: str,
        read: Callable[[str, Sequence[Place]], Awaitable[list[Item]]],
    ) -> Page[Item]:
        tokens = await self._applications.page_tokens(caller, listing, name_prefix)
        after = Place(*map(str, tokens.unseal(page_token))) if page_token else None
        size = _size(page_size)
        places = await self._directory.names.page(caller.application_id, listing, folded(name_prefix), after, size)
        items = await read(caller.application_id, places)
        return Page(items, tokens.seal(*places[-1]) if len(places) == size else "")

    async def _users(self, application_id: str, places: Sequence[Place]) -> list[User]:
        return [user for user in await self._found_users(application_id, places) if user is not None]

    async def _found_users(self, application_id: str, places: Sequence[Place]) -> Sequence[User | None]:
        return await self._directory.users.get([UserKey(application_id, place.item_id) for place in places])


def _size(page_size: int) -> int:
    return min(page_size or PAGE, PAGE_MAX)
