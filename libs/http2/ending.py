"""What the last headers of a call say."""

import binascii
from collections.abc import Sequence

from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import DeadlineExceeded, TertuliaError, Unavailable
from libs.rpc.status import to_status

Headers = Sequence[tuple[bytes, bytes]]

BEGINNING: Headers = (
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-accept-encoding", b"identity"),
)
"""What the first headers say."""

OK: Headers = ((b"grpc-status", b"0"),)

_MESSAGE_BYTES = 1_024  # clients accept 8 KiB of headers at least; the message stands in them twice
_DETAILS_BYTES = 4_096


def ending_of(error: TertuliaError) -> Headers:
    """A refusal: status, message, and its details where they are not too large for headers."""
    status = to_status(error)
    encoded = [
        (b"grpc-status", str(status.code).encode()),
        (b"grpc-message", _percent_encoded(status.message)),
    ]
    details = status.SerializeToString()
    if len(details) <= _DETAILS_BYTES:
        encoded.append((b"grpc-status-details-bin", binascii.b2a_base64(details, newline=False).rstrip(b"=")))
    return encoded


def stalled() -> DeadlineExceeded:
    """The client has no window for an answer."""
    return DeadlineExceeded(
        "the answer was not read; whether it was done is unknown", error_pb2.ERROR_REASON_DEADLINE_EXCEEDED
    )


def too_old() -> Unavailable:
    """The call has outlived its connection."""
    return Unavailable(
        "the connection is too old; whether this was done is unknown: try again on another one",
        error_pb2.ERROR_REASON_OUTCOME_UNKNOWN,
    )


def unknown() -> Unavailable:
    """Of a call on a connection on which nobody has shown who they are."""
    return Unavailable(
        "nobody has shown a good token on this connection for too long; connect again",
        error_pb2.ERROR_REASON_UNAVAILABLE,
    )


def _percent_encoded(text: str) -> bytes:
    """As gRPC has it: everything but printable ASCII, and the percent sign."""
    cut = text.encode()[:_MESSAGE_BYTES]
    return b"".join(b"%c" % byte if 0x20 <= byte < 0x7F and byte != 0x25 else b"%%%02X" % byte for byte in cut)
