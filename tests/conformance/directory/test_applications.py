"""What every ApplicationStore promises."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from libs.directory import Directory
from libs.directory.applications import ALL_SCOPES, Application, Key, Scope

SHOP = Application("shop", "The shop", bytes(range(32)), 1_700_000_000_000)
KEY = Key("shop", "k1", b"\x00secret\xff")
PUBLIC_KEY = Key("shop", "k2", b"", b"0\x00public\xff")


async def test_an_application_is_found_as_it_was_made(directory: Directory) -> None:
    assert await directory.applications.create(SHOP) == SHOP
    assert await directory.applications.get("shop") == SHOP
    assert await directory.applications.get("Shop") is None


async def test_of_two_applications_with_one_id_the_first_stays(directory: Directory) -> None:
    await directory.applications.create(SHOP)
    assert await directory.applications.create(replace(SHOP, name="Another")) == SHOP
    assert await directory.applications.get("shop") == SHOP


async def test_an_application_may_let_its_users_search(directory: Directory) -> None:
    await directory.applications.create(SHOP)
    await directory.applications.allow_search("shop", allowed=True)
    await directory.applications.allow_search("other", allowed=True)
    assert await directory.applications.get("shop") == replace(SHOP, users_may_search=True)
    assert await directory.applications.get("other") is None
    await directory.applications.allow_search("shop", allowed=False)
    assert await directory.applications.get("shop") == SHOP


async def test_an_application_may_let_guests_in(directory: Directory) -> None:
    await directory.applications.create(SHOP)
    await directory.applications.allow_search("shop", allowed=True)
    await directory.applications.allow_guests("shop", allowed=True)
    await directory.applications.allow_guests("other", allowed=True)
    assert await directory.applications.get("shop") == replace(SHOP, users_may_search=True, guests_allowed=True)
    assert await directory.applications.get("other") is None
    await directory.applications.allow_guests("shop", allowed=False)
    assert await directory.applications.get("shop") == replace(SHOP, users_may_search=True)


async def test_a_key_is_found_in_its_application_only(directory: Directory) -> None:
    assert await directory.applications.create_key(KEY) == KEY
    assert await directory.applications.get_key("shop", "k1") == KEY
    assert await directory.applications.get_key("shop", "k2") is None
    assert await directory.applications.get_key("other", "k1") is None


async def test_a_public_key_is_found_as_one(directory: Directory) -> None:
    assert await directory.applications.create_key(PUBLIC_KEY) == PUBLIC_KEY
    assert await directory.applications.get_key("shop", "k2") == PUBLIC_KEY
    await directory.applications.withdraw_key("shop", "k2")
    assert await directory.applications.get_key("shop", "k2") == replace(PUBLIC_KEY, withdrawn=True)


@pytest.mark.parametrize("scopes", [{Scope.READ}, {Scope.USERS, Scope.SEND}, ALL_SCOPES])
async def test_a_key_is_good_for_what_it_was_made_for(directory: Directory, scopes: Iterable[Scope]) -> None:
    key = replace(KEY, scopes=frozenset(scopes))
    assert await directory.applications.create_key(key) == key
    assert await directory.applications.get_key("shop", "k1") == key
    assert await directory.applications.create_key(replace(KEY, scopes=frozenset({Scope.MANAGE}))) == key


async def test_a_key_never_changes(directory: Directory) -> None:
    await directory.applications.create_key(KEY)
    assert await directory.applications.create_key(replace(KEY, secret=b"another")) == KEY
    assert await directory.applications.create_key(replace(PUBLIC_KEY, key_id="k1")) == KEY


async def test_a_withdrawn_key_stays_withdrawn_even_if_it_is_made_again(directory: Directory) -> None:
    await directory.applications.create_key(KEY)
    await directory.applications.withdraw_key("shop", "k1")
    await directory.applications.withdraw_key("shop", "k1")
    assert await directory.applications.create_key(KEY) == replace(KEY, withdrawn=True)
    assert await directory.applications.get_key("shop", "k1") == replace(KEY, withdrawn=True)


async def test_withdrawing_a_key_that_does_not_exist_makes_none(directory: Directory) -> None:
    await directory.applications.withdraw_key("shop", "k1")
    assert await directory.applications.get_key("shop", "k1") is None
