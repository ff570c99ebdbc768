"""Users: made, found, changed."""

from collections.abc import Callable, Sequence

from libs.directory.directory import Directory
from libs.directory.keys import UserKey
from libs.directory.users import ProfileChange, User
from libs.rpc.errors import user_not_found
from services.channel.ids import new_log_id


class People:
    """The users of applications."""

    def __init__(self, directory: Directory, now_ms: Callable[[], int]) -> None:
        self._users = directory.users
        self._now_ms = now_ms

    async def ensure(self, key: UserKey) -> User:
        """The user, made if there is none."""
        [user] = await self._users.get([key])
        if user is None:
            [user] = await self._users.create([self._new(key)])
        return user

    async def upsert(self, changes: Sequence[ProfileChange]) -> list[User]:
        """Make those that do not exist, set what is to be set, and return them as they are then."""
        await self._users.create([self._new(change.key) for change in changes])
        await self._users.change_profiles(changes)
        return await self.existing([change.key for change in changes])

    async def existing(self, keys: Sequence[UserKey]) -> list[User]:
        """The users, all of them.

        Raises:
            NotFound: USER_NOT_FOUND, for the first that does not exist.
        """
        found = []
        for key, user in zip(keys, await self._users.get(keys), strict=True):
            if user is None:
                raise user_not_found(key.user_id)
            found.append(user)
        return found

    def _new(self, key: UserKey) -> User:
        return User(key, new_log_id(), name="", avatar_url="", create_time_ms=self._now_ms())
