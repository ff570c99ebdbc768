"""Takes frames off what a client sends, some of them in a turn of the loop."""

from collections.abc import Callable

from h2.exceptions import FrameTooLargeError, ProtocolError

from libs.http2.frames import CONTINUATION, DATA, END_HEADERS, HEAD, HEADERS, PADDED, PING, PREFACE, SETTINGS
from libs.http2.limits import FRAME_BYTES

_HEAD_BYTES = HEAD.size
_WORK = {HEADERS: 100, SETTINGS: 10, PING: 10}
_WORK_A_TURN = 500
"""What of one connection is heard before the others in the loop have their turn: about a millisecond's work, where a frame is 1
unless it begins a call or is answered. What is read at a time may hold thousands."""


class NoHttp2(Exception):
    """The client begins with something else."""


class FrameReader:
    """Keeps what is not whole yet, and what is left for the next turn."""

    def __init__(self) -> None:
        self.greeted = False
        """The client has begun as HTTP/2 does."""
        self.in_headers = False
        """Between the pieces of a block of headers, where no other frame may come."""
        self._settings_heard = False
        self._rest = b""
        self._stopped = False

    @property
    def held_bytes(self) -> int:
        """What came and was not handed on."""
        return len(self._rest)

    def read(
        self, data: bytes, on_data: Callable[[int, int, bytes], None], on_other: Callable[[int, bytes], None]
    ) -> bool:
        """Hand on what is whole: of DATA the flags, stream and payload, padding too; of all else the type and the frame.

        False: that was a turn's work, and there is more, which `read(b"", …)` goes on with.

        Raises:
            ProtocolError: the client does not keep to the protocol; also what the two raise.
            NoHttp2: it never began to.
        """
        if self._rest:
            data = self._rest + data
        at, end, work = 0, len(data), 0
        if not self.greeted:
            at = self._greet(data)
        while end - at >= _HEAD_BYTES and self.greeted and not self._stopped:
            high, low, kind, flags, stream_id = HEAD.unpack_from(data, at)
            size = high << 16 | low
            if size > FRAME_BYTES:
                raise FrameTooLargeError("a frame is too large")
            next_at = at + _HEAD_BYTES + size
            if next_at > end:
                break
            work += _WORK.get(kind, 1)
            if work > _WORK_A_TURN:
                self._rest = data[at:]
                return False
            if not self._settings_heard:
                self._hear_settings(kind)
            if kind == DATA and not self.in_headers:
                on_data(flags, stream_id & 0x7FFFFFFF, data[at + _HEAD_BYTES : next_at])
            else:
                if kind in (HEADERS, CONTINUATION):
                    self.in_headers = not flags & END_HEADERS
                on_other(kind, data[at:next_at])
            at = next_at
        self._rest = b"" if self._stopped else data[at:]
        return True

    def stop(self) -> None:
        """Hand nothing more on, and keep nothing."""
        self._stopped = True
        self._rest = b""

    def _greet(self, data: bytes) -> int:
        if not PREFACE.startswith(data[: len(PREFACE)]):
            raise NoHttp2
        self.greeted = len(data) >= len(PREFACE)
        return len(PREFACE) if self.greeted else 0

    def _hear_settings(self, kind: int) -> None:
        if kind != SETTINGS:  # h2 would not mind
            raise ProtocolError("the first frame must be SETTINGS")
        self._settings_heard = True


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload of DATA without its padding.

    Raises:
        ProtocolError: there is more of it than payload.
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ProtocolError("more padding than payload")
    return payload[1 : len(payload) - payload[0]]
