"""HTTP/2's frames, as far as both ends read and write them themselves: RFC 9113, 4.1 and 6."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins with."""

HEAD = struct.Struct("!BHBBI")
"""Before each frame: its length (in two parts, 24 bits), type, flags, stream."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """A frame as it is written."""
    size = len(payload)
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream_id) + payload
