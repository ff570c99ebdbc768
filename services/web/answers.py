"""Short answers that are no call's result."""

import json

from starlette.types import Send

from services.web.errors import HTTP_STATUS, error_json, to_connect_error


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
