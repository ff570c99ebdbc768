"""What every NameStore promises."""

import itertools
from dataclasses import replace

import pytest

from libs.directory import Directory
from libs.directory.names import Entry, Listing, Place, folded

NAMES = Listing.USER_NAMES


def entry(name: str, item_id: str = "u1", *, version: int = 1, listed: bool = True) -> Entry:
    return Entry("shop", NAMES, Place(folded(name), item_id), version, listed)


async def found(directory: Directory, prefix: str = "", after: Place | None = None, limit: int = 100) -> list[Place]:
    return list(await directory.names.page("shop", NAMES, folded(prefix), after, limit))


async def test_names_come_in_order_whatever_their_case_and_of_one_name_in_order_of_the_ids(
    directory: Directory,
) -> None:
    names = [("bob", "2"), ("Alice", "9"), ("alice", "10"), ("Émile", "1"), ("", "3"), ("\N{GRINNING FACE}", "4")]
    await directory.names.put([entry(*name) for name in names])
    assert await found(directory) == [
        Place("", "3"),
        Place("alice", "10"),
        Place("alice", "9"),
        Place("bob", "2"),
        Place("émile", "1"),
        Place("\N{GRINNING FACE}", "4"),
    ]


async def test_a_prefix_finds_what_begins_so_and_nothing_else(directory: Directory) -> None:
    names = ["Al", "ALBERT", "alice", "alibi", "bob", "a", "al%", "ali_", "straße"]
    await directory.names.put([entry(name, name) for name in names])
    for prefix in ("al", "AL", "ali", "al%", "strasse", "x", ""):
        expected = sorted((folded(name), name) for name in names if folded(name).startswith(folded(prefix)))
        assert await found(directory, prefix) == expected, prefix


async def test_pages_follow_each_other(directory: Directory) -> None:
    places = [Place(f"name {number // 3:03}", f"item {number:03}") for number in range(100)]
    await directory.names.put([Entry("shop", NAMES, place, 1) for place in reversed(places)])
    pages: list[Place] = []
    while page := await found(directory, "name", pages[-1] if pages else None, 7):
        assert len(page) <= 7
        pages += page
    assert pages == places


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_highest_version_is_kept_in_whatever_order_entries_are_written(
    directory: Directory, order: tuple[int, ...]
) -> None:
    entries = [entry("alice"), entry("alice", version=2, listed=False), entry("alice", version=3)]
    for index in order:
        await directory.names.put([entries[index]])
    assert await found(directory) == [Place("alice", "u1")]
    await directory.names.put([entry("alice", version=4, listed=False)])
    assert await found(directory) == []


async def test_a_page_is_as_long_as_asked_even_where_many_are_no_longer_listed(directory: Directory) -> None:
    await directory.names.put([entry(f"a{number:03}", version=2, listed=False) for number in range(150)])
    await directory.names.put([entry("b"), entry("c")])
    assert await found(directory, limit=2) == [Place("b", "u1"), Place("c", "u1")]


async def test_each_listing_and_each_application_has_its_own(directory: Directory) -> None:
    alice = entry("alice")
    await directory.names.put([replace(alice, listing=Listing.OPEN_CHANNELS), replace(alice, application_id="other")])
    assert await found(directory) == []
    assert await directory.names.page("shop", Listing.OPEN_CHANNELS, "", None, 10) == [alice.place]
    await directory.names.put([])
