"""Public keys of an application, as a JSON Web Key Set (RFC 7517): Ed25519 (RFC 8037) and RSA."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from libs.directory.applications import ALL_SCOPES, Key, Scope
from services.channel.secret_string import ID_FORM

MAX_BYTES = 256 * 1024  # of a key set; 100 keys of RSA, each with its chain of certificates, are less
_MAX_KEYS = 100  # each is looked up, and written by itself; providers publish a handful
_RSA_BITS = range(2_048, 4_097)  # RFC 7518 asks for 2,048; with each bit more a token costs more to check
_KINDS: Mapping[str, tuple[str, Callable[[dict[str, object]], object]]] = {
    "OKP": ("EdDSA", OKPAlgorithm.from_jwk),
    "RSA": ("RS256", RSAAlgorithm.from_jwk),
}
"""By `kty`: the `alg` that it is for, and what reads it."""


class KeySetMalformed(ValueError):
    """It cannot be used as a whole. The message names the key, and never shows it."""


def parse_key_set(application_id: str, data: bytes, scopes: frozenset[Scope] = ALL_SCOPES) -> Sequence[Key]:
    """The keys in a key set, each with these scopes.

    Raises:
        KeySetMalformed: one of them cannot be used, it is no key set, or too large.
    """
    if len(data) > MAX_BYTES:
        raise KeySetMalformed(f"a key set has at most {MAX_BYTES} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):  # no JSON, no Unicode, or a thousand brackets
        raise KeySetMalformed("it is no JSON") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list) or not members:
        raise KeySetMalformed('a key set is a JSON object with a list of keys, {"keys": [...]}')
    if len(members) > _MAX_KEYS:
        raise KeySetMalformed(f"it has {len(members)} keys: at most {_MAX_KEYS} are taken at once")
    keys = [replace(_key(application_id, member), scopes=scopes) for member in members]
    if len({key.key_id for key in keys}) < len(keys):
        raise KeySetMalformed("two of its keys have the same `kid`")
    return keys


def _key(application_id: str, member: object) -> Key:
    key_id = member.get("kid") if isinstance(member, dict) else None
    if not isinstance(member, dict) or not isinstance(key_id, str) or not ID_FORM.fullmatch(key_id):
        raise KeySetMalformed("each key needs a `kid` of 1 to 64 letters, digits, _ and -")
    algorithm, read = _KINDS.get(str(member.get("kty")), ("", None))
    if read is None:
        raise KeySetMalformed(f"key {key_id}: its `kty` is none of {', '.join(_KINDS)}")
    if "d" in member:
        raise KeySetMalformed(f"key {key_id} is a private one: keep it where tokens are made, and give its public half")
    if member.get("alg", algorithm) != algorithm or member.get("use", "sig") != "sig":
        raise KeySetMalformed(f"key {key_id}: with this `kty` it is for `alg` {algorithm} and `use` sig")
    try:
        public_key = read(member)
    except (InvalidKeyError, ValueError, TypeError):
        public_key = None
    if isinstance(public_key, RSAPublicKey) and public_key.key_size not in _RSA_BITS:
        raise KeySetMalformed(f"key {key_id}: an RSA key has {_RSA_BITS[0]} to {_RSA_BITS[-1]} bits")
    if not isinstance(public_key, Ed25519PublicKey | RSAPublicKey):
        raise KeySetMalformed(f"key {key_id} is no public key of Ed25519 or RSA")
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(application_id, key_id, secret=b"", public_key=der)
