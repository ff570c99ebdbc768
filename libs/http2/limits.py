"""What a client may take of a server."""

import math
from typing import NamedTuple


class Limits(NamedTuple):
    """Limits that an operator sets; the others are beside what they limit."""

    max_message_bytes: int
    """The largest message that a client may send."""
    max_streams: int
    """Calls of one connection at a time."""
    max_connections: int
    """Connections of the process, those in the middle of their handshake too; more are closed as they come."""
    max_age_seconds: float
    """An older connection takes no new call; give or take a tenth, so that those that came together do not go together."""
    max_connections_per_address: int = 0
    """Those that one address may have, of IPv6 one network of 64 bits; more are closed as they come. 0: no limit. Unix sockets have none."""
    max_unauthenticated: int = 0
    """Those on which no handler has said yet that it knows who that is (`Call.authenticated`). Of more, one is closed: see `Admission`.
    0: no limit, neither of their number nor of their age."""
    unauthenticated_seconds: float = 30.0
    """How old such a connection becomes before it is closed, give or take five seconds."""
    greeting_seconds: float = 10.0
    """What a new connection may take for its TLS, and after that until it has greeted."""
    grace_seconds: float = math.inf
    """How long after `max_age_seconds` its calls may go on before they are cut. With certificates this bounds how long one is believed that was
    shown at the beginning of a stream without end."""


STREAM_WINDOW = 65_535
"""What a client may send on a call before its handler reads: HTTP/2's own default, so that no client can exceed it
before it has heard of our settings. A message may be larger: what came of an unfinished one is granted again, if no other
waits to be read before it."""

CONNECTION_WINDOW = 64 * STREAM_WINDOW
"""The same over all calls of a connection: so many may stand still before the others do."""

UNFINISHED_BYTES = 16 * 1024 * 1024
"""What a connection may hold of messages beyond these windows: 64 calls with the largest message that a gateway takes. With
the window, 20 MB are what the client of a connection can make us hold."""

MAX_HEADER_BYTES = 12 * 1024
"""Of a call's headers, as HTTP/2 counts them. Tokens are below 1 KiB."""

DECODED_HEADER_BYTES = 16 * 1024
"""More is not even decoded, so it ends the connection: both ends must have decoded the same. What is between the two ends its
call only, for others may be on the connection."""

UNREAD_BYTES = 16 * 1024 * 1024
"""What a connection may hold of unary answers that its client has no window for: fifteen pages of 1 MiB. A client that
reads has them within a round trip."""

FRAME_BYTES = 16_384
"""The largest frame that we accept: what every peer must."""


class Nuisance:
    """How many frames that carry nothing a connection may send: a bucket of tokens.

    Frames cost a few dozen µs each, a call that is opened and reset nearly a millisecond (CVE-2023-44487). Clients of
    gRPC send at most ten pings a second, and a window update or two for each frame that they were sent.
    """

    __slots__ = ("_filled_at", "_tokens")

    _BURST = 10_000.0
    _PER_SECOND = 2_000.0

    def __init__(self, now: float) -> None:
        self._tokens = self._BURST
        self._filled_at = now

    def spend(self, tokens: int, now: float) -> bool:
        """False: the connection has nothing left."""
        self._tokens = min(self._BURST, self._tokens + (now - self._filled_at) * self._PER_SECOND) - tokens
        self._filled_at = now
        return self._tokens >= 0
