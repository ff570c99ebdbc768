"""Tokens that are signed with a private key, and those who try what a public one is good for."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tertulia.chat.v1 import error_pb2
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.rpc.caller import Caller
from libs.rpc.errors import Unauthenticated
from services.gateway.keys import Keys, checking_key
from services.gateway.revocations import Revocations
from services.gateway.stats import Stats
from services.gateway.tokens import Tokens
from tests.support.key_pairs import ED25519, PrivateKey, jwk, public_bytes, rsa
from tests.unit.gateway.peers import SCOPES, SECRET, Peers, serving
from tests.unit.gateway.world import MemoryBus

RSA = rsa()
PAIRS: Mapping[str, PrivateKey] = {"ed25519": ED25519, "rsa": RSA}
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
ALICE = Caller("app", "alice", server=False)


def claims(**more: object) -> dict[str, object]:
    return {"iss": "app", "aud": "tertulia", "exp": time.time() + 3_600, "sub": "alice", **more}


def signed(
    key: PrivateKey | bytes | str,
    algorithm: str,
    key_id: str,
    headers: Mapping[str, object] | None = None,
    **more: object,
) -> str:
    headers = {"kid": key_id, **(headers or {})}
    return jwt.encode(claims(**more), key, algorithm=algorithm, headers=headers)


def by_hand(algorithm: str, key_id: str, secret: bytes | None) -> str:
    """As no library would: with HMAC under whatever, or not signed at all."""
    parts = [json.dumps(part).encode() for part in ({"alg": algorithm, "kid": key_id}, claims())]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.digest(secret, text, hashlib.sha256) if secret is not None else b""
    return f"{text.decode()}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def confused() -> Mapping[str, str]:
    """A public key used as the secret that it is not, in each shape in which somebody may have it."""
    return {
        f"{name} as {what}": by_hand("HS256", name, secret)
        for name, key in PAIRS.items()
        for what, secret in {
            "DER": public_bytes(key),
            "PEM": public_bytes(key, Encoding.PEM),
            "PEM without its last line break": public_bytes(key, Encoding.PEM).rstrip(),
            "JWK": json.dumps(jwk(name, key)).encode(),
            "nothing": b"",
        }.items()
    }


BAD = {
    **confused(),
    "its bytes alone": by_hand("HS256", "ed25519", ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
    "the secret of another key": by_hand("HS256", "ed25519", SECRET.encode()),
    "not signed": by_hand("none", "ed25519", None),
    "not signed, in capitals": by_hand("NONE", "rsa", None),
    "said to be signed": by_hand("EdDSA", "ed25519", None),
    "another private key": signed(OTHER, "EdDSA", "ed25519"),
    "another private key that it brings along": signed(OTHER, "EdDSA", "ed25519", {"jwk": jwk("ed25519", OTHER)}),
    "another private key that it says where to find": signed(OTHER, "EdDSA", "ed25519", {"jku": "https://a.example/"}),
    "a key pair under the id of a secret": signed(ED25519, "EdDSA", "key"),
    "a key pair under the id of another": signed(ED25519, "EdDSA", "rsa"),
    "another one under the id of a key pair": signed(RSA, "RS256", "ed25519"),
    "RSA with another hash": signed(RSA, "RS512", "rsa"),
    "RSA with another padding": signed(RSA, "PS256", "rsa"),
    "another application": signed(ED25519, "EdDSA", "ed25519", iss="another"),
    "another audience": signed(ED25519, "EdDSA", "ed25519", aud="another"),
}


def peers_with_key_pairs() -> Peers:
    peers = Peers()
    for name, key in PAIRS.items():
        peers.keys[name] = access_pb2.GetKeyResponse(public_key=public_bytes(key), scopes=SCOPES)
    return peers


async def caller_of(folder: Path, token: str) -> Caller:
    async with serving(peers_with_key_pairs(), folder) as channel:
        access = access_pb2_grpc.AccessServiceStub(channel)
        tokens = Tokens(Keys(access, 60), Revocations(access, MemoryBus(), 120, Stats()), 60, 3_600)
        return (await tokens.authenticate([("authorization", f"Bearer {token}")])).caller


@pytest.mark.parametrize("token", [signed(ED25519, "EdDSA", "ed25519"), signed(RSA, "RS256", "rsa")], ids=PAIRS)
async def test_who_signs_with_the_private_key_is_let_in(tmp_path: Path, token: str) -> None:
    assert await caller_of(tmp_path, token) == ALICE


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
async def test_who_has_the_public_key_makes_no_token_with_it(tmp_path: Path, token: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await caller_of(tmp_path, token)
    assert refusal.value.reason == error_pb2.ERROR_REASON_TOKEN_INVALID


def test_a_kind_of_key_that_is_not_known_checks_nothing() -> None:
    point = generate_private_key(SECP256R1()).public_key()
    der = point.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert checking_key(access_pb2.GetKeyResponse(public_key=der)) is None
    assert checking_key(access_pb2.GetKeyResponse(public_key=b"no DER")) is None
    assert checking_key(access_pb2.GetKeyResponse(secret=b"")) is None


def test_where_channel_knows_no_scopes_yet_keys_are_good_for_everything() -> None:
    """While an upgrade goes on. Whatever a later version knows beside ours gives nothing."""
    old = checking_key(access_pb2.GetKeyResponse(secret=b"secret"))
    assert old is not None
    assert old.scopes == set(SCOPES)
    new = checking_key(
        access_pb2.GetKeyResponse.FromString(
            access_pb2.GetKeyResponse(secret=b"secret").SerializeToString() + b"\x18\x63"
        )
    )
    assert new is not None
    assert not new.scopes & set(SCOPES)
