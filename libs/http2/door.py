"""Connections from when TCP has them.

asyncio tells of a connection behind TLS when it has shaken hands. Until then one holds 65 KB, for ten seconds if it likes: it must count, and
it must be possible to hang up on it. So asyncio only accepts here, and what it has accepted is taken from it.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from libs.http2.admission import Admission, Place, address_of


class Door:
    """Gives each connection that is admitted a place, shakes hands, and hands it to the protocol that `new_connection` makes.

    From its `connection_made` on that protocol says how to hang up, and in `connection_lost` it leaves the place.
    """

    def __init__(
        self,
        admission: Admission,
        new_connection: Callable[[Place], asyncio.Protocol],
        tls: ssl.SSLContext | None,
        handshake_seconds: float,
    ) -> None:
        self._admission = admission
        self._new_connection = new_connection
        self._tls = tls
        self._handshake_seconds = handshake_seconds if tls is not None else None  # asyncio would give it a minute
        self._handshakes: dict[Place, asyncio.Task[None]] = {}
        self._closed = False

    def arrival(self) -> asyncio.Protocol:
        """Of a connection that asyncio has accepted, without TLS."""
        return _Arrival(self._admit)

    def close(self) -> None:
        """Hang up on those that have not shaken hands yet, and on those that asyncio had accepted."""
        self._closed = True
        for place in list(self._handshakes):
            place.hang_up()
            place.leave()

    def _admit(self, peer: socket.socket) -> None:
        place: Place | None = None
        with suppress(OSError):  # it has gone already
            place = None if self._closed else self._admission.admit(address_of(peer.family, peer.getpeername()))
        if place is None:
            peer.close()
            return
        handshake = asyncio.get_running_loop().create_task(self._shake_hands(peer, place))
        self._handshakes[place] = handshake
        handshake.add_done_callback(lambda _: self._handshakes.pop(place))

    async def _shake_hands(self, peer: socket.socket, place: Place) -> None:
        if place.gone:  # it was hung up on before its turn came
            peer.close()
            return
        place.hang_up = self._handshakes[place].cancel
        connection = self._new_connection(place)
        with suppress(OSError):
            try:
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: connection, peer, ssl=self._tls, ssl_handshake_timeout=self._handshake_seconds
                )
            except BaseException:
                place.leave()
                raise


class _Arrival(asyncio.Protocol):
    """Takes a connection from asyncio before anything is read of it."""

    def __init__(self, admit: Callable[[socket.socket], None]) -> None:
        self._admit = admit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        try:
            with suppress(OSError):  # there are no more files: it is closed with its transport
                self._admit(transport.get_extra_info("socket").dup())
        finally:
            # it closes its own descriptor, and the connection stays; the cast: uvloop's transports are no subclass
            cast("asyncio.Transport", transport).abort()
