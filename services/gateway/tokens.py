"""Who a client is: bearer tokens."""

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping

import jwt
from tertulia.chat.v1 import error_pb2
from tertulia_internal.channel.v1 import access_pb2

from libs.rpc.caller import Caller
from libs.rpc.errors import FieldsInvalid, FieldViolation, PermissionDenied, Unauthenticated
from services.gateway.cache import ExpiringCache
from services.gateway.identity import Identity
from services.gateway.keys import CheckingKey, Keys
from services.gateway.revocations import Revocations
from services.gateway.scopes import SERVER_SCOPES

AUDIENCE = "tertulia"
MAX_USER_ID_BYTES = 128
_NOT_IN_USER_IDS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_CACHED_TOKENS = 10_000
_CLOCKS_DIFFER_SECONDS = 60.0  # at most, that of a back end and ours; or good tokens would be refused

Metadata = Iterable[tuple[str, str | bytes]]


class Tokens:
    """Checks tokens: JWT, `kid` and `iss` name the key, which says how they are signed; `aud` is "tertulia", `exp` is required.

    `sub` is the user; a server key's token has `server: true` instead, a guest's `guest: true`. Those of users and guests end within
    `max_user_seconds`. A token that was found good is not checked again for `cache_seconds`, unless it is heard to be revoked, its key
    is no longer there, or guests are no longer let in. `clock` tells seconds since the Unix epoch.
    """

    def __init__(
        self,
        keys: Keys,
        revocations: Revocations,
        cache_seconds: float,
        max_user_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._revocations = revocations
        self._cache_seconds = cache_seconds
        self._max_user_seconds = max_user_seconds
        self._clock = clock
        self._good: ExpiringCache[str, Identity] = ExpiringCache(_CACHED_TOKENS)
        self._good_guests: ExpiringCache[str, Identity] = ExpiringCache(_CACHED_TOKENS)
        """Apart: visits may be many, and would push users out."""

    async def authenticate(self, metadata: Metadata) -> Identity:
        """Who sent `authorization: Bearer …`.

        Raises:
            Unauthenticated: TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED or TOKEN_REVOKED.
            PermissionDenied: GUESTS_NOT_ALLOWED: it is a guest's, and the application lets none in, or no longer.
            TertuliaError: channel, which knows the key and what is revoked, does not answer.
        """
        token = _bearer(metadata)
        identity = self._good.get(token) or self._good_guests.get(token)
        if identity is None:
            identity = await self._check(token)
            await self._revocations.ask([identity])
            good = self._good_guests if identity.caller.guest else self._good
            good.put(token, identity, self._cache_seconds)
        # what is known of the key may be older than what is known of the token, and ends sooner
        key = await self.require_key(*identity.key)
        if identity.expires_at <= self._clock():
            raise _expired()
        if identity.caller.guest and not key.guests_allowed:
            raise PermissionDenied(
                "the application lets no guests in; sign in", error_pb2.ERROR_REASON_GUESTS_NOT_ALLOWED
            )
        self._revocations.refuse(identity)
        return identity

    def forget(self) -> None:
        """Check every token anew: revocations may have been missed."""
        self._good.clear()
        self._good_guests.clear()

    async def require_key(self, application_id: str, key_id: str) -> CheckingKey:
        """The key, if its tokens are good.

        Raises:
            Unauthenticated: TOKEN_INVALID: there is none, or it was withdrawn.
            TertuliaError: channel does not answer.
        """
        key = await self._keys.get(application_id, key_id)
        if key is None:
            raise _invalid("its key is not known")
        return key

    async def _check(self, token: str) -> Identity:
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            application_id = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.InvalidTokenError:
            raise _invalid("it is not a JWT") from None
        if not isinstance(key_id, str) or not isinstance(application_id, str):
            raise _invalid("it must name its key: `kid` in the header, `iss` in the claims")
        key = await self.require_key(application_id, key_id)
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],  # a token never chooses how it is checked
                audience=AUDIENCE,
                issuer=application_id,
                # iat is only information: a back end whose clock is ahead of ours has made a good token
                options={"require": ["exp", "aud", "iss"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise _invalid(str(error)) from None
        except OverflowError:  # PyJWT makes an int of `nbf`
            raise _invalid("`nbf` is out of range") from None
        return self._identity(application_id, key_id, key, claims)

    def _identity(self, application_id: str, key_id: str, key: CheckingKey, claims: Mapping[str, object]) -> Identity:
        """Of a token whose signature is good."""
        expires_at = _seconds("exp", claims["exp"])
        left = expires_at - self._clock()
        if left <= 0:
            raise _expired()
        session_id = _session_id(claims.get("sid", ""))
        caller = _caller(application_id, claims, session_id)
        if not caller.server and left > self._max_user_seconds + _CLOCKS_DIFFER_SECONDS:
            raise _invalid(f"`exp` is too late: a user token ends within {self._max_user_seconds:.0f} s of now")
        if not key.scopes & (SERVER_SCOPES if caller.server else {access_pb2.KEY_SCOPE_USERS}):
            raise _invalid(f"its key is not for tokens of {'back ends' if caller.server else 'users'}")
        issued_at = _seconds("iat", claims.get("iat", 0))
        return Identity(caller, expires_at, issued_at, session_id, key.scopes, (application_id, key_id))


def _bearer(metadata: Metadata) -> str:
    for key, value in metadata:
        if key == "authorization" and isinstance(value, str) and value[:7].lower() == "bearer ":
            return value[7:].strip()
    raise Unauthenticated(
        "no token: send the metadata `authorization: Bearer <token>`", error_pb2.ERROR_REASON_TOKEN_MISSING
    )


def _seconds(name: str, claim: object) -> float:
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        raise _invalid(f"`{name}` is no number")
    try:
        seconds = float(claim)
    except OverflowError:  # an int of hundreds of digits
        seconds = math.inf
    if not math.isfinite(seconds):
        raise _invalid(f"`{name}` is out of range")
    return seconds


def _session_id(claim: object) -> str:
    """As in `RevokeTokensRequest.session_id`."""
    if claim == "":
        return ""
    if not isinstance(claim, str) or not _is_user_id(claim):
        raise _invalid(f"`sid` must be a text of at most {MAX_USER_ID_BYTES} bytes without control characters")
    return claim


def _caller(application_id: str, claims: Mapping[str, object], session_id: str) -> Caller:
    """A user, the application itself, or a guest. A token that says two of these is good for none."""
    user_id, server, guest = claims.get("sub"), claims.get("server", False), claims.get("guest")
    if guest is None:
        guest = False
    if server is True and guest is False and user_id is None:
        return Caller(application_id, "", server=True)
    if guest is True and server is False and user_id is None:
        if not session_id:
            raise _invalid("a guest's token names the visit in `sid`: by that its calls are counted")
        return Caller(application_id, "", server=False, guest=session_id)
    if server is not False or guest is not False or not isinstance(user_id, str) or not user_id:
        raise _invalid("it must name a user in `sub`, or have none and say `server: true` or `guest: true`")
    if not _is_user_id(user_id):
        raise _invalid(f"`sub` must be 1 to {MAX_USER_ID_BYTES} bytes without control characters")
    return Caller(application_id, user_id, server=False)


def _is_user_id(text: str) -> bool:
    """As in `UserProfile.user_id`. JSON can hold lone surrogates, which are no UTF-8."""
    encoded = text.encode(errors="replace")
    return 0 < len(encoded) <= MAX_USER_ID_BYTES and not _NOT_IN_USER_IDS.search(text)


def _invalid(why: str) -> Unauthenticated:
    return Unauthenticated(f"the token is not valid: {why}", error_pb2.ERROR_REASON_TOKEN_INVALID)


def _expired() -> Unauthenticated:
    return Unauthenticated("the token has expired; get a new one", error_pb2.ERROR_REASON_TOKEN_EXPIRED)


def acting_as(caller: Caller, user_id: str) -> Caller:
    """The caller when it acts for `user_id`; empty: for itself.

    Raises:
        PermissionDenied: SERVER_KEY_REQUIRED: a user names somebody else.
        FieldsInvalid: that is no user id.
    """
    if not user_id or user_id == caller.user_id:
        return caller
    if not caller.server:
        raise PermissionDenied("only a server key acts for other users", error_pb2.ERROR_REASON_SERVER_KEY_REQUIRED)
    if not _is_user_id(user_id):
        what = f"must be 1 to {MAX_USER_ID_BYTES} bytes without control characters"
        raise FieldsInvalid([FieldViolation("as_user_id", what)])
    return caller._replace(user_id=user_id)


def require_speaker(caller: Caller) -> None:
    """Somebody says a message, always.

    Raises:
        FieldsInvalid: a server key named no user.
    """
    if not caller.user_id:
        what = "a server key speaks for a member: name one, here or in the metadata `tertulia-user`"
        raise FieldsInvalid([FieldViolation("as_user_id", what)])
