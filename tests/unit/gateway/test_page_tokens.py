"""Page tokens lead back to their own list only, on every gateway."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import InvalidArgument
from services.gateway.log_client import LogName
from services.gateway.page_tokens import Page, PageTokens

ROOM = LogName("app", b"r" * 16)


@given(older=st.booleans(), seq=st.integers(0, 2**53 - 1))
def test_a_token_opens_on_another_gateway_with_the_same_secret(older: bool, seq: int) -> None:
    page = Page(older=older, seq=seq)
    assert PageTokens("secret").open(ROOM, PageTokens("secret").seal(ROOM, page)) == page


@pytest.mark.parametrize(
    ("secret", "log"),
    [("other", ROOM), ("secret", LogName("app", b"s" * 16)), ("secret", LogName("other", ROOM.log_id))],
    ids=["another secret", "another channel", "another application"],
)
def test_a_token_opens_nothing_else(secret: str, log: LogName) -> None:
    token = PageTokens("secret").seal(ROOM, Page(older=True, seq=7))
    with pytest.raises(InvalidArgument) as refusal:
        PageTokens(secret).open(log, token)
    assert refusal.value.reason == error_pb2.ERROR_REASON_PAGE_TOKEN_INVALID


@given(st.text(max_size=60))
def test_an_invented_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument):
        PageTokens("secret").open(ROOM, token)


@given(position=st.integers(0, 32), bit=st.integers(0, 5))
def test_a_changed_token_is_refused(position: int, bit: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = PageTokens("secret").seal(ROOM, Page(older=True, seq=7))
    place = position % (len(token) - 1)  # the last character has bits that mean nothing
    changed = alphabet[alphabet.index(token[place]) ^ (1 << bit)]
    with pytest.raises(InvalidArgument):
        PageTokens("secret").open(ROOM, token[:place] + changed + token[place + 1 :])
