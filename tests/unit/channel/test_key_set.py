"""Which public keys are taken, and that nothing is taken of a key set that holds another one."""

import json

import pytest
from jwt.algorithms import OKPAlgorithm

from libs.directory.applications import Scope
from services.channel.key_set import KeySetMalformed, parse_key_set
from tests.support.key_pairs import ED25519, jwk, key_set, public_bytes, rsa

RSA = rsa()
GOOD = jwk("good", ED25519)


def test_the_keys_of_a_set_are_those_of_the_application() -> None:
    text = key_set(jwk("signing-1", ED25519, alg="EdDSA", use="sig"), jwk("signing-2", RSA), jwk("signing-3", ED25519))
    keys = parse_key_set("shop", text.encode())
    assert [(key.application_id, key.key_id, key.secret) for key in keys] == [
        ("shop", f"signing-{number}", b"") for number in (1, 2, 3)
    ]
    assert [key.public_key for key in keys] == [public_bytes(key) for key in (ED25519, RSA, ED25519)]


def test_they_are_good_for_what_the_operator_says() -> None:
    scopes = frozenset({Scope.USERS})
    keys = parse_key_set("shop", key_set(GOOD, jwk("other", RSA)).encode(), scopes)
    assert [key.scopes for key in keys] == [scopes, scopes]


BAD = {
    "no JSON": "kid: good",
    "a list": json.dumps([GOOD]),
    "one key alone": json.dumps(GOOD),
    "no keys": key_set(),
    "no object": key_set("good"),
    "no id": key_set({**GOOD, "kid": None}),
    "an id that no secret could have": key_set(jwk("a.b", ED25519)),
    "the same id twice": key_set(GOOD, jwk("good", RSA)),
    "a secret": key_set({"kty": "oct", "kid": "good", "k": "c2VjcmV0"}),
    "a curve of NIST": key_set({"kty": "EC", "crv": "P-256", "kid": "good", "x": "AA", "y": "AA"}),
    "Ed448": key_set({**GOOD, "crv": "Ed448"}),
    "for agreement": key_set({**GOOD, "crv": "X25519"}),
    "a private key": key_set({**json.loads(OKPAlgorithm.to_jwk(ED25519)), "kid": "good"}),
    "for another algorithm": key_set({**GOOD, "alg": "HS256"}),
    "RSA for another algorithm": key_set(jwk("good", RSA, alg="PS256")),
    "for encryption": key_set({**GOOD, "use": "enc"}),
    "short": key_set({**GOOD, "x": "AAAA"}),
    "no base64": key_set({**GOOD, "x": "="}),
    "no text": key_set({**GOOD, "x": 7}),
    "nothing in it": key_set({"kty": "RSA", "kid": "good"}),
    "RSA that signs nothing": key_set(jwk("good", RSA, e="AQ")),
    "RSA that can be guessed": key_set(jwk("good", rsa(1_024))),
    "101 keys": key_set(*[jwk(str(number), ED25519) for number in range(101)]),
    "more than a key set has": key_set({**GOOD, "x5c": ["A" * 300_000]}),
    "a thousand brackets": '{"keys":' + "[" * 5_000,
}


def test_a_file_of_an_editor_that_marks_its_encoding_is_read() -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        assert len(parse_key_set("shop", key_set(GOOD).encode(encoding))) == 1


def test_what_is_no_text_is_no_key_set() -> None:
    with pytest.raises(KeySetMalformed):
        parse_key_set("shop", b"\xff\xfe\xfd" + key_set(GOOD).encode())


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_anything_else_is_refused_as_a_whole_without_showing_it(text: str) -> None:
    whole = text if not text.startswith('{"keys": [{') else key_set(jwk("another", RSA), *json.loads(text)["keys"])
    for each in (text, whole):
        with pytest.raises(KeySetMalformed) as refusal:
            parse_key_set("shop", each.encode())
        assert str(GOOD["x"]) not in str(refusal.value)
