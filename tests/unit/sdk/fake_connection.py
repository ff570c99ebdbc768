"""One session of one client with the fake gateway, and the wire forms of what it says there."""

import asyncio

from google.protobuf.message import Message as ProtoMessage
from google.rpc import error_details_pb2, status_pb2
from tertulia.chat.v1 import error_pb2, event_pb2, session_pb2

from tests.unit.sdk.fake_log import Refusal


class Connection:
    """One session of one client."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.out: asyncio.Queue[session_pb2.ServerFrame | None] = asyncio.Queue()
        self.watched: set[str] = set()

    def push(self, frame: session_pb2.ServerFrame) -> None:
        self.out.put_nowait(frame)

    def notice(self, **kind: ProtoMessage) -> None:
        self.push(session_pb2.ServerFrame(notices=[session_pb2.Notice(**kind)]))  # type: ignore[arg-type]

    def cut(self) -> None:
        """Break the stream, without a goodbye."""
        self.out.put_nowait(None)


def inbox_id(user_id: str) -> bytes:
    return f"inbox:{user_id}".encode().ljust(16, b"\0")[:16] if user_id else b""


def inbox_slice(user_id: str, inbox: list[event_pb2.Event], after: int) -> session_pb2.Slice:
    return session_pb2.Slice(
        log_id=inbox_id(user_id), from_seq=after + 1, to_seq=len(inbox), head_seq=len(inbox), events=inbox[after:]
    )


def failure(request_id: int, refusal: Refusal) -> session_pb2.Failure:
    return session_pb2.Failure(
        request_id=request_id,
        code=refusal.code.value[0],
        message="as the test wants it",
        reason=refusal.reason,
        metadata=refusal.metadata,
    )


def status(refusal: Refusal) -> status_pb2.Status:
    status = status_pb2.Status(code=refusal.code.value[0], message="as the test wants it")
    reason = error_pb2.ErrorReason.Name(refusal.reason).removeprefix("ERROR_REASON_")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="tertulia"))
    if refusal.retry_after_ms:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(refusal.retry_after_ms)
        status.details.add().Pack(retry)
    return status
