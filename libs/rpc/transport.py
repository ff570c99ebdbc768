"""The port of the stream under a session, so that what carries sessions can change without them."""

from typing import Protocol


class TransportGone(Exception):
    """The client has gone, or the stream has ended."""


class Transport(Protocol):
    """A bidirectional stream of frames. One task reads and another writes.

    Being cancelled while reading or writing is safe; who is cancelled uses the stream no more.
    """

    async def read(self) -> bytes | None:
        """The next frame of the client. None: it sends no more.

        Raises:
            TransportGone: see there.
            TertuliaError: the client sent what cannot be read.
        """

    async def write(self, data: bytes) -> None:
        """Send one or more joined frames; returns when the stream has room for more.

        Raises:
            TransportGone: see there.
        """
