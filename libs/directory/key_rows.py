"""A key of an application as a row, the same on every engine."""

from collections.abc import Sequence
from typing import Any

from libs.directory.applications import ALL_SCOPES, Key, Scope
from libs.directory.rows import Values

KEY = ("application_id", "key_id", "secret", "public_key", "withdrawn", "scopes")
"""All columns, the key first."""


def values_of_key(key: Key) -> Values:
    """In the order of KEY."""
    scopes = " ".join(sorted(key.scopes))
    return (key.application_id, key.key_id, key.secret, key.public_key, key.withdrawn, scopes)


def key_of(row: Sequence[Any]) -> Key:
    """From the columns in the order of KEY. Columns that are younger than the row may be null; scopes that are younger than this
    program are left out."""
    application_id, key_id, secret, public_key, withdrawn, scopes = row
    known = ALL_SCOPES if scopes is None else frozenset(scope for scope in Scope if scope in scopes.split())
    return Key(application_id, key_id, secret, public_key or b"", bool(withdrawn), known)
