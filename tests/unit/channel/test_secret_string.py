"""The secret that an application's back end keeps."""

import pytest

from libs.directory.applications import Key
from services.channel.secret_string import SecretMalformed, format_secret, new_key, parse_secret


def test_a_secret_names_its_application_and_key() -> None:
    assert parse_secret("sk.shop.k1.some.text") == Key("shop", "k1", b"some.text")


def test_a_new_key_can_be_written_down_and_read_again() -> None:
    key = new_key("shop")
    assert parse_secret(format_secret(key)) == key
    assert new_key("shop").secret != key.secret


@pytest.mark.parametrize(
    "text", ["", "sk", "sk.shop.k1", "sk.shop.k1.", "pk.shop.k1.text", "sk.sh op.k1.text", "sk..k.t"]
)
def test_anything_else_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(SecretMalformed) as refusal:
        parse_secret(text)
    assert len(text) < 5 or text not in str(refusal.value)
