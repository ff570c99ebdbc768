"""Public keys of an application come and go one by one, and none ever changes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from libs.directory.applications import ALL_SCOPES, Key, Scope
from libs.directory.key_rows import key_of
from libs.directory.sqlite import sqlite_directory
from libs.rpc.errors import NotFound
from services.channel.applications import Applications, KeyIdTaken

OLD, NEW, NEWEST = (Key("shop", name, secret=b"", public_key=name.encode()) for name in ("old", "new", "newest"))


@pytest_asyncio.fixture
async def applications(tmp_path: Path) -> AsyncIterator[Applications]:
    async with sqlite_directory(tmp_path / "channel.sqlite") as directory:
        await directory.applications.create_key(replace(OLD, key_id="withdrawn"))
        await directory.applications.withdraw_key("shop", "withdrawn")
        await directory.applications.create_key(replace(OLD, key_id="useless", scopes=frozenset()))
        yield Applications(directory.applications, lambda: 1)


async def test_a_key_set_may_grow(applications: Applications) -> None:
    assert await applications.add_public_keys([OLD]) == [OLD]
    assert await applications.add_public_keys([OLD, NEW]) == [NEW]
    assert await applications.add_public_keys([OLD, NEW]) == []
    assert [await applications.key("shop", name) for name in ("old", "new")] == [OLD, NEW]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (replace(NEW, key_id="old"), "another key"),
        (replace(OLD, key_id="withdrawn"), "was withdrawn"),
        (Key("shop", "old", secret=b"a secret"), "another key"),
        (replace(OLD, scopes=frozenset({Scope.USERS})), "with other scopes already .manage, read, send, users."),
    ],
)
async def test_of_a_key_set_that_changes_a_key_nothing_is_added(applications: Applications, bad: Key, why: str) -> None:
    await applications.add_public_keys([OLD])
    with pytest.raises(KeyIdTaken, match=why):
        await applications.add_public_keys([NEWEST, bad])
    assert await applications.key("shop", "old") == OLD
    with pytest.raises(NotFound):
        await applications.key("shop", "newest")


async def test_a_key_that_is_good_for_nothing_is_none(applications: Applications) -> None:
    """Gateways would take no scopes for all."""
    with pytest.raises(NotFound):
        await applications.key("shop", "useless")


def test_a_key_from_before_there_were_scopes_is_good_for_everything() -> None:
    assert key_of(("shop", "old", b"secret", None, False, None)) == Key("shop", "old", b"secret", scopes=ALL_SCOPES)


def test_a_scope_that_this_version_does_not_know_is_no_scope() -> None:
    assert key_of(("shop", "new", b"secret", b"", False, "read all")).scopes == {Scope.READ}
