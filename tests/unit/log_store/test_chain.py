"""Which epoch's row is valid at a seq, and where a chain is broken."""

import pytest

from libs.log_store import Seq
from libs.log_store.cassandra.chain import chain_of
from libs.log_store.cassandra.vocabulary import NO_EPOCH, Chain, Epoch, Seal


def seals(*rows: tuple[int, int, int]) -> dict[Epoch, Seal]:
    """(epoch, start, previous) each."""
    return {Epoch(epoch): Seal(Seq(start), Epoch(previous)) for epoch, start, previous in rows}


def chain(*rows: tuple[int, int, int]) -> Chain:
    found = chain_of(seals(*rows))
    assert found is not None
    return found


def test_a_log_that_nobody_sealed_has_no_epoch_and_starts_at_1() -> None:
    assert (chain().newest(), chain().start(), chain().valid_epoch(Seq(1))) == (NO_EPOCH, 1, NO_EPOCH)


@pytest.mark.parametrize(("seq", "epoch"), [(1, 1), (4, 1), (5, 7), (9, 7), (10, 9), (1000, 9)])
def test_the_valid_epoch_is_that_of_the_greatest_start_below(seq: int, epoch: int) -> None:
    assert chain((1, 1, 0), (7, 5, 1), (9, 10, 7)).valid_epoch(Seq(seq)) == epoch


def test_an_epoch_without_rows_is_never_valid() -> None:
    assert chain((1, 1, 0), (2, 5, 1), (3, 5, 2)).valid_epoch(Seq(5)) == 3


def test_epochs_that_no_link_names_are_ghosts() -> None:
    linked = chain((1, 1, 0), (2, 3, 1), (3, 5, 1))
    assert [epoch for epoch, _ in linked.links] == [1, 3]
    assert linked.valid_epoch(Seq(4)) == 1


@pytest.mark.parametrize("rows", [[(2, 5, 1)], [(1, 1, 0), (3, 5, 2)], [(1, 1, 1)], [(1, 1, 2), (2, 1, 1)]])
def test_a_chain_with_a_missing_seal_or_a_circle_is_broken(rows: list[tuple[int, int, int]]) -> None:
    assert chain_of(seals(*rows)) is None
