"""Tokens and the secret that they are made from."""

import jwt
import pytest
import tertulia

TEXT = "some.text with dots and 32 bytes or more"
SECRET = f"sk.app.key-1.{TEXT}"


def test_a_user_token_says_who_for_whom_and_until_when() -> None:
    token = tertulia.Secret.parse(SECRET).user_token("älice", 60)
    assert jwt.get_unverified_header(token)["kid"] == "key-1"
    claims = jwt.decode(
        token,
        TEXT,
        algorithms=["HS256"],
        audience="tertulia",
        issuer="app",
        options={"require": ["exp"]},
    )
    assert claims["sub"] == "älice"
    assert claims["exp"] - claims["iat"] == pytest.approx(60)
    assert "server" not in claims


def test_a_server_token_names_no_user() -> None:
    token = tertulia.Secret.parse(SECRET).server_token()
    claims = jwt.decode(token, TEXT, algorithms=["HS256"], audience="tertulia")
    assert claims["server"] is True
    assert "sub" not in claims


def test_a_guest_token_names_the_visit_and_nobody() -> None:
    token = tertulia.Secret.parse(SECRET).guest_token("visit", 60)
    claims = jwt.decode(token, TEXT, algorithms=["HS256"], audience="tertulia", issuer="app")
    assert (claims["guest"], claims["sid"]) == (True, "visit")
    assert claims["exp"] - claims["iat"] == pytest.approx(60)
    assert not claims.keys() & {"sub", "server"}


@pytest.mark.parametrize("secret", ["", "sk", "sk.app.key", "sk.app.key.", "pk.app.key.text", "sk..key.text"])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(tertulia.SecretInvalid):
        tertulia.Secret.parse(secret)


def test_a_secret_does_not_show_itself() -> None:
    assert "some.text" not in repr(tertulia.Secret.parse(SECRET))


@pytest.mark.parametrize(("user", "seconds"), [("", 60), ("alice", 0), ("alice", 901)])
def test_tokens_that_servers_would_refuse_are_not_made(user: str, seconds: int) -> None:
    with pytest.raises(ValueError, match="user token"):
        tertulia.Secret.parse(SECRET).user_token(user, seconds)
    with pytest.raises(ValueError, match="guest"):
        tertulia.Secret.parse(SECRET).guest_token(user, seconds)
