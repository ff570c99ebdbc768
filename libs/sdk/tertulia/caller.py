"""The unary services, called on the session."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from google.protobuf.message import Message as ProtoMessage

from tertulia.calls import Calls

CALL_SECONDS = 15.0
"""How long a call may take, retries and reconnecting included, where the caller does not say."""

MAX_BATCH = 100
"""Users or members in one request (the protocol's limit); the methods of the SDK split what is longer."""

Response = TypeVar("Response", bound=ProtoMessage)


class Caller:
    """Calls methods, in the name of a user where a server key allows it."""

    def __init__(self, calls: Calls, as_user: str) -> None:
        self._calls = calls
        self._as_user = as_user

    async def __call__(
        self,
        method: str,
        request: ProtoMessage,
        response_type: type[Response],
        *,
        timeout: float = CALL_SECONDS,
        repeat: bool = True,
    ) -> Response:
        """See `Actor.call`."""
        answer = await self._calls.call(method, request.SerializeToString(), self._as_user, timeout, repeat)
        return response_type.FromString(answer)


class Paged(Protocol):
    """A response that is a page of a list."""

    @property
    def next_page_token(self) -> str: ...


Page = TypeVar("Page", bound=Paged)


async def pages(ask: Callable[[str], Awaitable[Page]]) -> AsyncIterator[Page]:
    """All pages of a list. `ask` gets the token of the one to ask for."""
    token = ""
    while True:
        page = await ask(token)
        yield page
        token = page.next_page_token
        if not token:
            return


def batches(items: Sequence[str]) -> list[Sequence[str]]:
    """Parts that fit into a request.

    Raises:
        ValueError: there are no items.
    """
    if not items:
        raise ValueError("nobody was named")
    return [items[start : start + MAX_BATCH] for start in range(0, len(items), MAX_BATCH)]
