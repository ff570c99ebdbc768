"""Who is let in, and what everybody else is told."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import jwt
import pytest
from tertulia.chat.v1 import error_pb2
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.rpc.caller import Caller
from libs.rpc.errors import FieldsInvalid, PermissionDenied, Unauthenticated
from services.gateway import tokens as tokens_module
from services.gateway.keys import Keys
from services.gateway.revocations import Revocations
from services.gateway.stats import Stats
from services.gateway.tokens import Tokens, acting_as
from tests.unit.gateway.peers import SECRET, Peers, serving
from tests.unit.gateway.world import MemoryBus

OTHER_SECRET = "another-secret-that-is-long-enough-for-hmac"  # noqa: S105 - of nobody
MAX_USER_SECONDS = 3_600.0
PUBLIC_TEXT = "eyJhbGciOiJub25lIiwia2lkIjoia2V5In0"  # {"alg":"none","kid":"key"}


def _token(secret: str = SECRET, algorithm: str = "HS256", kid: object = "key", **claims: object) -> str:
    good: dict[str, object] = {"iss": "app", "aud": "tertulia", "exp": time.time() + MAX_USER_SECONDS, "sub": "alice"}
    payload = {key: value for key, value in {**good, **claims}.items() if value is not None}
    headers = {} if kid is None else {"kid": kid}
    # not jwt.encode, which would keep us from making bad ones
    return jwt.PyJWS().encode(json.dumps(payload).encode(), secret, algorithm=algorithm, headers=headers)


GUEST = _token(sub=None, guest=True, sid="visit")


def _unsigned() -> str:
    claims = _token().split(".")[1]
    return f"{PUBLIC_TEXT}.{claims}."


def _claims_of_another_shape() -> str:
    return jwt.PyJWS().encode(b"[1, 2]", SECRET, algorithm="HS256", headers={"kid": "key"})


def _guest_is_null() -> str:
    claims = {"iss": "app", "aud": "tertulia", "exp": time.time() + MAX_USER_SECONDS, "sub": "alice", "guest": None}
    return jwt.encode(claims, SECRET, algorithm="HS256", headers={"kid": "key"})


def _tokens(channel: grpc.aio.Channel, clock: Callable[[], float] = time.time, key_seconds: float = 60) -> Tokens:
    access = access_pb2_grpc.AccessServiceStub(channel)
    return Tokens(
        Keys(access, key_seconds), Revocations(access, MemoryBus(), 120, Stats()), 60, MAX_USER_SECONDS, clock
    )


ALICE = Caller("app", "alice", server=False)
BACK_END = Caller("app", "", server=True)
VISITOR = Caller("app", "", server=False, guest="visit")
GOOD = {
    "user": (_token(), ALICE),
    "user of many letters": (_token(sub="Zoë 💬"), Caller("app", "Zoë 💬", server=False)),
    "back end": (_token(sub=None, server=True), BACK_END),
    "back end for a day": (_token(sub=None, server=True, exp=time.time() + 86_400), BACK_END),
    "clock of the issuer that is fast": (_token(exp=time.time() + MAX_USER_SECONDS + 30), ALICE),
    "two audiences": (_token(aud=["other", "tertulia"]), ALICE),
    "issued just now": (_token(iat=time.time() + 30), ALICE),
    "session": (_token(sid="the phone"), ALICE),
    "empty session": (_token(sid=""), ALICE),
    "guest": (_token(sub=None, guest=True, sid="visit"), VISITOR),
    "guest and no server": (_token(sub=None, guest=True, server=False, sid="visit"), VISITOR),
    "neither guest nor server": (_token(guest=False, server=False), ALICE),
    "guest is null": (_guest_is_null(), ALICE),
}

BAD = {
    "garbage": "garbage",
    "empty": "",
    "wrong secret": _token(secret=OTHER_SECRET),
    "another algorithm": _token(algorithm="HS512"),
    "not signed": _unsigned(),
    "no key id": _token(kid=None),
    "unknown key": _token(kid="unknown"),
    "unknown application": _token(iss="another"),
    "no issuer": _token(iss=None),
    "issuer is no text": _token(iss=7),
    "lone surrogate in the key id": _token(kid="\ud800"),
    "lone surrogate in the issuer": _token(iss="\ud800"),
    "no audience": _token(aud=None),
    "another audience": _token(aud="someone-else"),
    "no expiry": _token(exp=None),
    "no subject": _token(sub=None),
    "empty subject": _token(sub=""),
    "subject is no text": _token(sub=7),
    "lone surrogate": _token(sub="\ud800"),
    "expiry is no number": _token(exp="soon"),
    "expiry is not a number": _token(exp=float("nan")),
    "expiry is never": _token(exp=float("inf")),
    "expiry is in two hours": _token(exp=time.time() + 7_200),
    "expiry has 4,000 digits": _token(exp=10**4_000),
    "valid from infinity on": _token(nbf=float("inf")),
    "issued at no number": _token(iat="now"),
    "issued at infinity": _token(iat=float("inf")),
    "session is no text": _token(sid=7),
    "session is long": _token(sid="x" * 129),
    "claims are no object": _claims_of_another_shape(),
    "long subject": _token(sub="x" * 129),
    "control character": _token(sub="a\nb"),
    "server with a subject": _token(server=True),
    "server is no boolean": _token(sub=None, server="true"),
    "guest with a subject": _token(guest=True, sid="visit"),
    "guest with an empty subject": _token(sub="", guest=True, sid="visit"),
    "guest and server": _token(sub=None, guest=True, server=True, sid="visit"),
    "guest, and a server that is no boolean": _token(sub=None, guest=True, server="true", sid="visit"),
    "guest is no boolean": _token(sub=None, guest="true", sid="visit"),
    "guest is a number": _token(sub=None, guest=1, sid="visit"),
    "user whose guest is no boolean": _token(guest="false"),
    "guest without a session": _token(sub=None, guest=True),
    "guest for two hours": _token(sub=None, guest=True, sid="visit", exp=time.time() + 7_200),
    "not yet valid": _token(nbf=time.time() + 3_000),
}


@pytest.mark.parametrize(("token", "caller"), GOOD.values(), ids=GOOD.keys())
async def test_a_good_token_names_its_caller(tmp_path: Path, token: str, caller: Caller) -> None:
    async with serving(Peers(), tmp_path) as channel:
        tokens = _tokens(channel)
        identity = await tokens.authenticate([("authorization", f"Bearer {token}")])
        assert identity.caller == caller
        assert identity.expires_at > time.time()


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
async def test_a_bad_token_is_invalid(tmp_path: Path, token: str) -> None:
    async with serving(Peers(), tmp_path) as channel:
        tokens = _tokens(channel)
        with pytest.raises(Unauthenticated) as refusal:
            await tokens.authenticate([("authorization", f"Bearer {token}")])
        assert refusal.value.reason == error_pb2.ERROR_REASON_TOKEN_INVALID
        assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    ("scope", "good", "bad"),
    [
        (access_pb2.KEY_SCOPE_USERS, _token(), _token(sub=None, server=True)),
        (access_pb2.KEY_SCOPE_SEND, _token(sub=None, server=True), GUEST),
        (access_pb2.KEY_SCOPE_READ, _token(sub=None, server=True), _token()),
    ],
    ids=["users", "send", "read"],
)
async def test_a_key_is_for_tokens_of_users_or_of_back_ends_as_it_was_made(
    tmp_path: Path, scope: access_pb2.KeyScope.ValueType, good: str, bad: str
) -> None:
    peers = Peers()
    peers.keys["key"] = access_pb2.GetKeyResponse(secret=SECRET.encode(), scopes=[scope], guests_allowed=True)
    async with serving(peers, tmp_path) as channel:
        tokens = _tokens(channel)
        identity = await tokens.authenticate([("authorization", f"Bearer {good}")])
        assert identity.scopes == {scope}
        with pytest.raises(Unauthenticated) as refusal:
            await tokens.authenticate([("authorization", f"Bearer {bad}")])
        assert refusal.value.reason == error_pb2.ERROR_REASON_TOKEN_INVALID


async def test_no_token_is_missing(tmp_path: Path) -> None:
    async with serving(Peers(), tmp_path) as channel:
        tokens = _tokens(channel)
        for metadata in ([], [("authorization", "Basic YWxpY2U6")], [("other", f"Bearer {_token()}")]):
            with pytest.raises(Unauthenticated) as refusal:
                await tokens.authenticate(metadata)
            assert refusal.value.reason == error_pb2.ERROR_REASON_TOKEN_MISSING


async def test_a_token_that_was_good_expires_all_the_same(tmp_path: Path) -> None:
    now = {"time": time.time()}
    async with serving(Peers(), tmp_path) as channel:
        tokens = _tokens(channel, clock=lambda: now["time"])
        metadata = [("authorization", f"Bearer {_token()}")]
        await tokens.authenticate(metadata)
        now["time"] += 3_601
        with pytest.raises(Unauthenticated) as refusal:
            await tokens.authenticate(metadata)
        assert refusal.value.reason == error_pb2.ERROR_REASON_TOKEN_EXPIRED


async def test_a_token_that_was_good_ends_with_what_is_known_of_its_key(tmp_path: Path) -> None:
    peers = Peers()
    async with serving(peers, tmp_path) as channel:
        tokens = _tokens(channel, key_seconds=0)
        metadata = [("authorization", f"Bearer {_token()}")]
        await tokens.authenticate(metadata)
        del peers.keys["key"]
        with pytest.raises(Unauthenticated) as refusal:
            await tokens.authenticate(metadata)
        assert refusal.value.reason == error_pb2.ERROR_REASON_TOKEN_INVALID


async def test_guests_are_let_in_while_the_application_allows_them(tmp_path: Path) -> None:
    """As what is known of its key says, which may have been learnt after the token."""
    peers = Peers()
    async with serving(peers, tmp_path) as channel:
        tokens = _tokens(channel, key_seconds=0)
        metadata = [("authorization", f"Bearer {GUEST}")]
        for allowed in (True, False, True):
            peers.keys["key"].guests_allowed = allowed
            if allowed:
                assert (await tokens.authenticate(metadata)).caller.guest == "visit"
                continue
            for token in (GUEST, _token(sub=None, guest=True, sid="another visit")):
                with pytest.raises(PermissionDenied) as refusal:
                    await tokens.authenticate([("authorization", f"Bearer {token}")])
                assert refusal.value.reason == error_pb2.ERROR_REASON_GUESTS_NOT_ALLOWED
            await tokens.authenticate([("authorization", f"Bearer {_token()}")])


async def test_visits_of_guests_push_no_user_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "_CACHED_TOKENS", 2)
    peers = Peers()
    alice = [("authorization", f"Bearer {_token()}")]
    async with serving(peers, tmp_path) as channel:
        tokens = _tokens(channel)
        await tokens.authenticate(alice)
        for visit in range(4):
            guest = _token(sub=None, guest=True, sid=f"visit {visit}")
            await tokens.authenticate([("authorization", f"Bearer {guest}")])
        checked = len(peers.holders_asked)
        await tokens.authenticate(alice)
        assert len(peers.holders_asked) == checked


async def test_keys_are_asked_for_once_and_unknown_ones_too(tmp_path: Path) -> None:
    peers = Peers()
    async with serving(peers, tmp_path) as channel:
        tokens = _tokens(channel)
        for subject in ("alice", "bob"):
            await tokens.authenticate([("authorization", f"Bearer {_token(sub=subject)}")])
            with pytest.raises(Unauthenticated):
                await tokens.authenticate([("authorization", f"Bearer {_token(sub=subject, kid='unknown')}")])
        assert peers.keys_asked == ["key", "unknown"]


def test_only_a_server_key_acts_for_others() -> None:
    alice, server = Caller("app", "alice", server=False), Caller("app", "", server=True)
    guest = Caller("app", "", server=False, guest="visit")
    assert acting_as(alice, "") == acting_as(alice, "alice") == alice
    assert acting_as(server, "") == server
    assert acting_as(server, "bob") == Caller("app", "bob", server=True)
    assert acting_as(guest, "") == guest
    for caller in (alice, guest):
        with pytest.raises(PermissionDenied) as refusal:
            acting_as(caller, "bob")
        assert refusal.value.reason == error_pb2.ERROR_REASON_SERVER_KEY_REQUIRED
    with pytest.raises(FieldsInvalid):
        acting_as(server, "x" * 129)
