"""The string that an application's back end keeps as TERTULIA_SECRET: `sk.<application id>.<key id>.<secret text>`."""

import re
import secrets

from libs.directory.applications import ALL_SCOPES, Key, Scope

ID_FORM = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SECRET_BYTES = 32  # the strength of HMAC-SHA-256


class SecretMalformed(ValueError):
    """It does not have the form of a secret. The message never shows the text."""


def parse_secret(text: str) -> Key:
    """The key in the string; the HMAC secret is the UTF-8 text of the last part.

    Raises:
        SecretMalformed: it has another form.
    """
    parts = text.split(".", 3)
    if len(parts) != 4 or parts[0] != "sk" or not parts[3]:
        raise SecretMalformed("a secret has the form sk.<application>.<key>.<text>")
    _, application_id, key_id, secret = parts
    if not ID_FORM.fullmatch(application_id) or not ID_FORM.fullmatch(key_id):
        raise SecretMalformed("ids of applications and keys are letters, digits, _ and -, at most 64")
    return Key(application_id, key_id, secret.encode())


def format_secret(key: Key) -> str:
    return f"sk.{key.application_id}.{key.key_id}.{key.secret.decode()}"


def new_key(application_id: str, scopes: frozenset[Scope] = ALL_SCOPES) -> Key:
    """A key with a random secret."""
    secret = secrets.token_urlsafe(_SECRET_BYTES).encode()
    return Key(application_id, secrets.token_hex(8), secret, scopes=scopes)
