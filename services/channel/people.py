"""Users: made, found, changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from tertulia.chat.v1 import error_pb2

from libs.directory.directory import Directory
from libs.directory.keys import UserKey
from libs.directory.names import Entry, Listing, Place, folded
from libs.directory.users import User
from libs.rpc.errors import Unavailable, user_not_found
from services.channel.ids import new_log_id

_ATTEMPTS = 10  # how often other processes may be first
_RETRY_MS = 500


class ProfileChange(NamedTuple):
    """What to set of a user. None: leave it as it is."""

    key: UserKey
    name: str | None
    avatar_url: str | None

    def applied_to(self, user: User) -> User:
        """The user as the change leaves them, with the same version."""
        return replace(
            user,
            name=user.name if self.name is None else self.name,
            avatar_url=user.avatar_url if self.avatar_url is None else self.avatar_url,
        )


class People:
    """The users of applications. A user is listed before there is one, and under a name before they are called so: who reads
    a list passes over what is not so, and nobody is missing from it."""

    def __init__(self, directory: Directory, now_ms: Callable[[], int]) -> None:
        self._users = directory.users
        self._names = directory.names
        self._now_ms = now_ms

    async def ensure(self, key: UserKey) -> User:
        """The user, made if there is none."""
        [user] = await self._users.get([key])
        return user or (await self._made([key]))[0]

    async def upsert(self, changes: Sequence[ProfileChange]) -> list[User]:
        """Make those that do not exist, set what is to be set, in order, and return them as they are then.

        Raises:
            Unavailable: UNAVAILABLE: others change them all the while.
        """
        keys = [change.key for change in changes]
        users = dict(zip(keys, await self._users.get(keys), strict=True))
        missing = [key for key, user in users.items() if user is None]
        if missing:
            await self._made(missing)
        for _ in range(_ATTEMPTS):
            present = {user.key: user for user in await self.existing(keys)}
            wanted = dict(present)
            for change in changes:
                wanted[change.key] = change.applied_to(wanted[change.key])
            if wanted == present:
                return [present[key] for key in keys]
            await self._update(present, [user for key, user in wanted.items() if user != present[key]])
        raise Unavailable(
            "too many changes of these users at once; try again",
            error_pb2.ERROR_REASON_UNAVAILABLE,
            retry_after_ms=_RETRY_MS,
        )

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

    async def _made(self, keys: Sequence[UserKey]) -> Sequence[User]:
        await self._names.put(
            [Entry(key.application_id, Listing.USERS, Place("", key.user_id), version=1) for key in keys]
        )
        now_ms = self._now_ms()
        return await self._users.create([User(key, new_log_id(), "", "", now_ms) for key in keys])

    async def _update(self, present: Mapping[UserKey, User], wanted: Sequence[User]) -> None:
        changed = [replace(user, version=user.version + 1) for user in wanted]
        await self._names.put([_entry(user, user.name) for user in changed if user.name])
        done = await self._users.update(changed)
        old_names = [
            _entry(user, present[user.key].name, listed=False)
            for user, updated in zip(changed, done, strict=True)
            if updated and folded(present[user.key].name) != folded(user.name)
        ]
        await self._names.put([entry for entry in old_names if entry.place.name])


def _entry(user: User, name: str, *, listed: bool = True) -> Entry:
    """What the list of names says of one that the user has, or no longer has, since their version."""
    place = Place(folded(name), user.key.user_id)
    return Entry(user.key.application_id, Listing.USER_NAMES, place, user.version, listed)
