"""Key pairs that applications sign tokens with, the same in every run: they protect nothing."""

import json
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

PrivateKey: TypeAlias = Ed25519PrivateKey | RSAPrivateKey

ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def rsa(bits: int = 2_048) -> RSAPrivateKey:
    """Another one each time: there is no short way to write one down."""
    return generate_private_key(65_537, bits)


def public_bytes(key: PrivateKey, encoding: Encoding = Encoding.DER) -> bytes:
    return key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def jwk(key_id: str, key: PrivateKey, **more: object) -> dict[str, Any]:
    """The public half."""
    if isinstance(key, Ed25519PrivateKey):
        member = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        member = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**member, "kid": key_id, **more}


def key_set(*keys: object) -> str:
    return json.dumps({"keys": keys})
