"""Clients that cannot send: their one request is their first frame, and then they are silent."""

import asyncio

from google.protobuf.message import DecodeError
from tertulia.chat.v1 import session_pb2

from libs.http2 import Call
from libs.rpc.validation import validate
from services.gateway.commands import frame_invalid


class Listening:
    """The transport of one."""

    def __init__(self, call: Call) -> None:
        self.write = call.write
        self._call = call
        self._said = False

    async def read(self) -> bytes | None:
        if self._said:
            await silence()
        self._said = True
        return first_frame(await self._call.read() or b"")


def first_frame(data: bytes) -> bytes:
    """The ClientFrame that says the same as a ListenRequest.

    Raises:
        InvalidArgument: FRAME_INVALID: it is none.
        FieldsInvalid: it breaks a rule.
    """
    try:
        request = session_pb2.ListenRequest.FromString(data)
    except DecodeError:
        raise frame_invalid("the request is no tertulia.chat.v1.ListenRequest") from None
    validate(request)
    frame = session_pb2.ClientFrame(hello=request.hello)
    frame.hello.SetInParent()
    if request.watch_user_ids:
        frame.watches.add(user_ids=request.watch_user_ids)
    return frame.SerializeToString()


async def silence() -> None:
    """For ever."""
    await asyncio.get_running_loop().create_future()
