"""The port for applications (tenants) and the keys of their back ends."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Application:
    """A tenant. Everything else belongs to one."""

    application_id: str
    """`[A-Za-z0-9_-]{1,64}`."""
    name: str
    page_token_secret: bytes
    """Random; page tokens are signed with it, so that they hold across restarts and between processes."""
    create_time_ms: int
    users_may_search: bool = False
    """Whether its users find each other by name. Its server keys do in any case."""
    guests_allowed: bool = False
    """Whether whoever is nobody in particular reads its open channels, with a token that says so."""


class Scope(StrEnum):
    """What tokens of a key are good for."""

    USERS = "users"
    """They may be those of users."""
    READ = "read"
    """The others, the server's, may read everything …"""
    SEND = "send"
    """… speak for members …"""
    MANAGE = "manage"
    """… and do the rest."""


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Key:
    """What tokens of an application are checked with. It is withdrawn, never deleted or changed."""

    application_id: str
    key_id: str
    """`[A-Za-z0-9_-]{1,64}`."""
    secret: bytes
    """Of HMAC: tokens are signed with it, too. Empty: they are signed with what belongs to `public_key`."""
    public_key: bytes = b""
    """Ed25519 or RSA, as DER (SubjectPublicKeyInfo). Apart from `secret`, so that nobody takes it for one."""
    withdrawn: bool = False
    scopes: frozenset[Scope] = ALL_SCOPES


class ApplicationStore(Protocol):
    """Applications and their keys. Errors of every method: see `libs.directory.Directory`."""

    async def create(self, application: Application) -> Application:
        """Store an application unless its id is taken; return the one that has the id now, given or earlier."""

    async def get(self, application_id: str) -> Application | None:
        """The application; None: there is none."""

    async def allow_search(self, application_id: str, *, allowed: bool) -> None:
        """Set `users_may_search`. Where there is no such application, nothing happens."""

    async def allow_guests(self, application_id: str, *, allowed: bool) -> None:
        """Set `guests_allowed`. Where there is no such application, nothing happens."""

    async def create_key(self, key: Key) -> Key:
        """Store a key unless its id is taken in its application; return the one that has the id now."""

    async def get_key(self, application_id: str, key_id: str) -> Key | None:
        """The key, withdrawn or not; None: there is none."""

    async def withdraw_key(self, application_id: str, key_id: str) -> None:
        """Mark a key as withdrawn, for ever. Where there is none, nothing happens."""
