"""Tokens: who a client says it is.

A token is a JWT (HS256) made by the application's back end from its secret, never by an end user's device. A *user token*
speaks for one user; a *server token* for the application itself, which may act for any of its users; a *guest token* for nobody in
particular, who reads open channels by single calls where the application lets guests in: a `Client` cannot be made with it.
"""

import time
from dataclasses import dataclass, field

import jwt

from tertulia.errors import SecretInvalid

AUDIENCE = "tertulia"
MAX_USER_TOKEN_SECONDS = 15 * 60
"""The longest life of a user token. A client gets a new one from the back end (`token_provider`)."""

DEVELOPMENT_SECRET = "sk.dev.dev.tertulia-development-secret-not-for-production"  # noqa: S105 - known to everybody
"""Of the application that `tertulia serve` makes. Servers outside of development refuse it."""


@dataclass(frozen=True, slots=True)
class Secret:
    """An application's key as its back end keeps it: `sk.<application id>.<key id>.<secret text>`."""

    application_id: str
    key_id: str
    text: str = field(repr=False)

    @classmethod
    def parse(cls, secret: str) -> "Secret":
        """Take a secret apart.

        Raises:
            SecretInvalid: it has another form.
        """
        kind, application_id, key_id, text = (*secret.strip().split(".", 3), "", "", "", "")[:4]
        if kind != "sk" or not application_id or not key_id or not text:
            raise SecretInvalid("the secret is not of the form sk.<application>.<key>.<text>")
        return cls(application_id, key_id, text)

    def user_token(self, user_id: str, seconds: int = MAX_USER_TOKEN_SECONDS, *, session_id: str = "") -> str:
        """A token that speaks for one user, for so many seconds. `session_id`: by which it may be revoked alone.

        Raises:
            ValueError: no user, or a life above 15 minutes or below a second.
        """
        if not user_id:
            raise ValueError("a user token needs a user id")
        return self._token({"sub": user_id, **({"sid": session_id} if session_id else {})}, _lifetime(seconds))

    def guest_token(self, session_id: str, seconds: int = MAX_USER_TOKEN_SECONDS) -> str:
        """A token with which open channels are read, for so many seconds. `session_id` names the visit: calls are counted by it.

        Raises:
            ValueError: no session id, or a life above 15 minutes or below a second.
        """
        if not session_id:
            raise ValueError("a guest token needs a session id, another for each visit")
        return self._token({"guest": True, "sid": session_id}, _lifetime(seconds))

    def server_token(self, seconds: int = MAX_USER_TOKEN_SECONDS) -> str:
        """A token that speaks for the application, for so many seconds. Never give it to a user."""
        return self._token({"server": True}, seconds)

    def _token(self, who: dict[str, object], seconds: int) -> str:
        now = int(time.time() * 1_000) / 1_000  # not whole seconds: tokens may be revoked just before
        claims = {"iss": self.application_id, "aud": AUDIENCE, "iat": now, "exp": now + seconds, **who}
        return jwt.encode(claims, self.text, algorithm="HS256", headers={"kid": self.key_id})


def _lifetime(seconds: int) -> int:
    if not 1 <= seconds <= MAX_USER_TOKEN_SECONDS:
        raise ValueError(f"a user token, or a guest's, lives 1 to {MAX_USER_TOKEN_SECONDS} seconds, not {seconds}")
    return seconds
