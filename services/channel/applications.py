"""Applications and their keys."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from tertulia.chat.v1 import error_pb2

from libs.directory.applications import Application, ApplicationStore, Key
from libs.rpc.caller import Caller
from libs.rpc.errors import NotFound
from libs.rpc.page_tokens import PageTokens
from services.channel.secret_string import new_key

_PAGE_TOKEN_SECRET_BYTES = 32


class KeyIdTaken(ValueError):
    """A key is never changed, and never comes back."""

    def __init__(self, key: Key, there: Key) -> None:
        if there.withdrawn:
            what = "was withdrawn, for ever"
        elif replace(there, scopes=key.scopes) == key:
            what = f"is there with other scopes already ({', '.join(sorted(there.scopes))})"
        else:
            what = "is another key already"
        super().__init__(f"key {key.key_id} {what}: give the new one another id")


class Applications:
    """The tenants. The development key is held in memory only: a process that was not told of it does not know it."""

    def __init__(self, store: ApplicationStore, now_ms: Callable[[], int], development_key: Key | None = None) -> None:
        self._store = store
        self._now_ms = now_ms
        self._development_key = development_key

    async def seed_development(self) -> None:
        """Make the development application, if this process is to have one and there is none. Its users may search, and
        guests read."""
        if self._development_key is not None:
            application_id = self._development_key.application_id
            await self._store.create(self._new(application_id, "development"))
            await self._store.allow_search(application_id, allowed=True)
            await self._store.allow_guests(application_id, allowed=True)

    async def create(self, application_id: str) -> Key | None:
        """Make an application with a random key; None if there is one of that id."""
        wanted = self._new(application_id, application_id)
        if await self._store.create(wanted) != wanted:
            return None
        return await self._store.create_key(new_key(application_id))

    async def add_public_keys(self, keys: Sequence[Key]) -> Sequence[Key]:
        """Make keys of an application's key set good, and return those that were not there. Safe to repeat.

        Raises:
            KeyIdTaken: an id of theirs is another key's, or was withdrawn. Then none was added.
        """
        there = [await self._store.get_key(key.application_id, key.key_id) for key in keys]
        for key, other in zip(keys, there, strict=True):
            if other is not None and other != key:
                raise KeyIdTaken(key, other)
        new = [key for key, other in zip(keys, there, strict=True) if other is None]
        for key in new:
            if (stored := await self._store.create_key(key)) != key:  # somebody else was faster
                raise KeyIdTaken(key, stored)
        return new

    async def existing(self, application_id: str) -> Application:
        """The application of a caller: there is one, because its key was checked."""
        application = await self._store.get(application_id)
        if application is None:
            raise LookupError(f"application {application_id!r} has a key and no row")
        return application

    async def page_tokens(self, caller: Caller, *scope: str) -> PageTokens:
        """The tokens of one list of the caller's; `scope` names it."""
        application = await self.existing(caller.application_id)
        return PageTokens(application.page_token_secret, caller.user_id, *scope)

    async def key(self, application_id: str, key_id: str) -> Key:
        """The key that tokens are checked with.

        Raises:
            NotFound: TOKEN_INVALID: there is none, it was withdrawn, or it is good for nothing that this version knows.
        """
        development = self._development_key
        if development is not None and (application_id, key_id) == (development.application_id, development.key_id):
            return development
        key = await self._store.get_key(application_id, key_id)
        if key is None or key.withdrawn or not key.scopes:
            raise NotFound("the token's key is not known", error_pb2.ERROR_REASON_TOKEN_INVALID)
        return key

    async def lets_guests_in(self, application_id: str) -> bool:
        """Whether guests may read the open channels of an application."""
        application = await self._store.get(application_id)
        return application is not None and application.guests_allowed

    def _new(self, application_id: str, name: str) -> Application:
        return Application(application_id, name, secrets.token_bytes(_PAGE_TOKEN_SECRET_BYTES), self._now_ms())
