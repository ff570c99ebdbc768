"""Short answers that are no call's result."""

import json
from collections.abc import Sequence

from starlette.types import Send
from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import Unimplemented
from services.web.errors import HTTP_STATUS, error_json, to_connect_error
from services.web.headers import adding

READING = ("GET", "HEAD")
"""The methods of HTTP for what is only read."""


async def answer(status: int, content_type: str, body: bytes, send: Send) -> None:
    """A whole response."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def answer_json(status: int, body: object, send: Send) -> None:
    await answer(status, "application/json", json.dumps(body, ensure_ascii=False).encode(), send)


async def refuse(error: Exception, send: Send, status: int | None = None) -> None:
    """An error in Connect's form, with the status that belongs to its code unless another is given."""
    clean = to_connect_error(error)
    await answer(status or HTTP_STATUS[clean.code], "application/json", error_json(clean), send)


async def refuse_method(allowed: Sequence[str], send: Send) -> None:
    """For a method of HTTP that this path does not take."""
    error = Unimplemented(f"use {' or '.join(allowed)} here", error_pb2.ERROR_REASON_METHOD_UNKNOWN)
    await refuse(error, adding([(b"allow", ", ".join(allowed).encode())], send), status=405)
