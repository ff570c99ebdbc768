"""Page tokens of message lists: good on every gateway, and for one channel only."""

from typing import NamedTuple

from libs.rpc import page_tokens
from services.gateway.log_client import LogName


class Page(NamedTuple):
    """Where a page begins."""

    older: bool
    """True: the messages before `seq`. False: those after it."""
    seq: int


class PageTokens:
    """Seals and opens tokens with a secret that all gateways share."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def seal(self, log: LogName, page: Page) -> str:
        return self._of(log).seal(*page)

    def open(self, log: LogName, token: str) -> Page:
        """The page.

        Raises:
            InvalidArgument: PAGE_TOKEN_INVALID: the token was not given for this channel.
        """
        older, seq = self._of(log).unseal(token)
        return Page(bool(older), int(seq))

    def _of(self, log: LogName) -> page_tokens.PageTokens:
        return page_tokens.PageTokens(self._secret, "messages", log.application_id, log.log_id.hex())
