"""Page tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import InvalidArgument
from libs.rpc.page_tokens import PageTokens

SECRET = bytes(32)
TOKENS = PageTokens(SECRET, "alice", "members", "team")


def refused(tokens: PageTokens, token: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        tokens.unseal(token)
    assert refusal.value.reason == error_pb2.ERROR_REASON_PAGE_TOKEN_INVALID


@given(st.integers(0, 2**53), st.text(max_size=128).filter(lambda text: text.isprintable()))
def test_a_token_gives_back_the_position(seq: int, text: str) -> None:
    assert TOKENS.unseal(TOKENS.seal(seq, text)) == [seq, text]


def test_a_token_holds_the_longest_user_id() -> None:
    assert len(TOKENS.seal("\N{GRINNING FACE}" * 32)) <= 1024


def test_a_token_is_good_for_its_list_and_caller_only() -> None:
    token = TOKENS.seal("bob")
    for scope in (
        ("bob", "members", "team"),
        ("alice", "members", "other"),
        ("alice", "channels"),
        ("alicemembers", "team"),
    ):
        refused(PageTokens(SECRET, *scope), token)
    refused(PageTokens(bytes(31) + b"1", "alice", "members", "team"), token)


def test_every_changed_character_is_noticed() -> None:
    token = TOKENS.seal("bob", 7)
    for index, character in enumerate(token[:-1]):  # the last one may hold bits that say nothing
        refused(TOKENS, token[:index] + ("A" if character != "A" else "B") + token[index + 1 :])


@given(st.text(max_size=200))
def test_nothing_made_up_is_taken(token: str) -> None:
    refused(TOKENS, token)
