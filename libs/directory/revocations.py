"""The port for revoked tokens."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class TokenHolder(NamedTuple):
    """Whose tokens."""

    application_id: str
    user_id: str
    session_id: str
    """Only those with this claim `sid`; empty: all of the user."""


class RevocationStore(Protocol):
    """For each holder a time: tokens that were issued before it are refused. Merged by time: the latest that was ever stored is
    kept, and no row is ever deleted. Errors of every method: see `libs.directory.Directory`.
    """

    async def advance(self, holder: TokenHolder, issued_before_ms: int) -> None:
        """Store a time; one at or before what is stored changes nothing."""

    async def get(self, holders: Sequence[TokenHolder]) -> Sequence[int]:
        """The times of just these rows, in order; 0 where there is none."""
