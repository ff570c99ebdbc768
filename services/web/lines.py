"""Streams for `curl` and simple back ends: a plain JSON request, answered by NDJSON or by server-sent events.

At the same URL as for Connect; `accept: text/event-stream` asks for events. A line, or an event, is the JSON of one frame;
`{}` is a heartbeat. A failure is an HTTP error as long as nothing was sent, and else the last line: `{"error": {…}}`, or an
event of type `error`.
"""

import asyncio
from contextlib import aclosing
from typing import NamedTuple

from connectrpc.errors import ConnectError
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from services.web.answers import refuse
from services.web.api import Api
from services.web.codecs import Encoded, JsonCodec
from services.web.errors import error_json
from services.web.json_requests import parse_json
from services.web.methods import Method
from services.web.upstream import credentials


class _Form(NamedTuple):
    """How frames are written: what stands around each, and around an error."""

    content_type: bytes
    frame: tuple[bytes, bytes]
    error: tuple[bytes, bytes]


_NDJSON = _Form(b"application/x-ndjson", (b"", b"\n"), (b'{"error": ', b"}\n"))
_EVENTS = _Form(b"text/event-stream", (b"data: ", b"\n\n"), (b"event: error\ndata: ", b"\n\n"))


class Lines:
    """Serves methods that are answered by a stream."""

    def __init__(self, api: Api, codec: JsonCodec) -> None:
        self._api = api
        self._codec = codec

    async def serve(self, method: Method, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, until the stream ends or the client goes."""
        request = Request(scope, receive)
        body = await request.body()
        sending = asyncio.create_task(self._answer(method, request, body, send))
        watching = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({sending, watching}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            sending.cancel()
            watching.cancel()
            await asyncio.gather(sending, watching, return_exceptions=True)

    async def _answer(self, method: Method, request: Request, body: bytes, send: Send) -> None:
        form = _EVENTS if "text/event-stream" in request.headers.get("accept", "") else _NDJSON
        started = False
        try:
            with self._api.counted(method):
                encoded = parse_json(body, method.request_class)
                async with aclosing(self._api.listen(method, encoded, credentials(request.headers))) as frames:
                    await anext(frames)  # the empty one: whether the gateway lets this client in is not known yet
                    async for frame in frames:
                        if not started:
                            await _start(form, send)
                            started = True
                        await _write(form.frame, self._codec.json(Encoded(method.response_class, frame)), send)
        except ConnectError as error:
            if not started:
                await refuse(error, send)
                return
            await _write(form.error, error_json(error), send)
        if not started:
            await _start(form, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _start(form: _Form, send: Send) -> None:
    headers = [(b"content-type", form.content_type), (b"x-accel-buffering", b"no")]  # nginx would wait for more to send
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _write(around: tuple[bytes, bytes], json: bytes, send: Send) -> None:
    before, after = around
    await send({"type": "http.response.body", "body": before + json + after, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
