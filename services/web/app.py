"""The ASGI application: which part answers which path."""

from collections.abc import Mapping, Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import InvalidArgument, Unimplemented
from services.web.answers import READING, refuse, refuse_method
from services.web.headers import API_HEADERS, adding
from services.web.lines import Lines
from services.web.methods import Method
from services.web.pages import Pages

_API_PREFIX = "/tertulia."
_FORM = "application/x-www-form-urlencoded"  # what `curl -d '{}'` says that it sends; here it is JSON
_PLAIN_JSON = {"application/json", _FORM}
_GRPC_WEB = {"application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json"}
_UNARY_TYPES = {*_PLAIN_JSON, "application/proto", *_GRPC_WEB}
_STREAM_TYPES = {"application/connect+json", "application/connect+proto", *_GRPC_WEB}
_ACCEPTED_ENCODINGS = {b"accept-encoding", b"connect-accept-encoding", b"grpc-accept-encoding"}
_PREFLIGHT_SECONDS = 7_200  # what browsers keep at most
_REQUEST_HEADERS = [
    "authorization",
    "connect-accept-encoding",
    "connect-content-encoding",
    "connect-protocol-version",
    "connect-timeout-ms",
    "content-encoding",
    "content-type",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "tertulia-correlation-id",
    "tertulia-user",
    "x-grpc-web",
    "x-user-agent",
]
_RESPONSE_HEADERS = ["grpc-message", "grpc-status", "grpc-status-details-bin", "tertulia-correlation-id"]


class Application:
    """Sends each request to the part that answers it."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        connect: ASGIApp,
        lines: Lines,
        plain: Mapping[str, ASGIApp],
        pages: Pages,
    ) -> None:
        self._methods = methods
        self._connect = connect
        self._lines = lines
        self._plain = plain
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if (plain := self._plain.get(path)) is not None:
            await plain(scope, receive, send)
        elif path.startswith(_API_PREFIX):
            await self._api(self._methods.get(path), scope, receive, adding(API_HEADERS, send))
        elif scope["method"] in READING:
            await self._pages(scope, receive, send)
        elif self._pages.has(path):
            await refuse_method(READING, adding(API_HEADERS, send))
        else:  # meant to be a call
            await self._api(None, scope, receive, adding(API_HEADERS, send))

    async def _api(self, method: Method | None, scope: Scope, receive: Receive, send: Send) -> None:
        content_type = _header(scope, b"content-type")
        if method is None:
            await refuse(_unknown(scope["path"]), send, status=404)
        elif scope["method"] not in (allowed := _allowed(method)):
            await refuse_method(allowed, send)
        elif (encoding := _encoding(scope)) and (method.server_streaming or content_type in _GRPC_WEB):
            await refuse(_not_unpacked(encoding), send, status=415)
        elif _in_lines(method) and (scope["method"] == "GET" or content_type in _PLAIN_JSON):
            await self._lines.serve(method, scope, receive, send)
        elif content_type not in (_STREAM_TYPES if method.server_streaming else _UNARY_TYPES):
            await refuse(_not_spoken(content_type), send, status=415)
        elif method.client_streaming and scope["http_version"].startswith("1"):
            await refuse(_needs_http2(), send, status=505)
        else:
            await self._connect(_for_connect(scope, content_type), receive, send)


def with_cors(app: ASGIApp, origins: list[str]) -> ASGIApp:
    """Let pages of these origins call the API. Tokens travel in a header, so no credentials of the browser are needed."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_RESPONSE_HEADERS,
        max_age=_PREFLIGHT_SECONDS,
    )


def _header(scope: Scope, wanted: bytes) -> str:
    """Without parameters, in lower case; "": there is none."""
    value = next((value.decode() for name, value in scope["headers"] if name == wanted), "")
    return value.partition(";")[0].strip().lower()


def _for_connect(scope: Scope, content_type: str) -> Scope:
    """What it offers to decompress is left out: messages are small, and a proxy in front compresses better."""
    headers = [(name, value) for name, value in scope["headers"] if name not in _ACCEPTED_ENCODINGS]
    if content_type == _FORM:
        headers = [(name, b"application/json" if name == b"content-type" else value) for name, value in headers]
    return {**scope, "headers": headers}


def _encoding(scope: Scope) -> str:
    """Of the whole body; "": none."""
    encoding = _header(scope, b"content-encoding")
    return "" if encoding == "identity" else encoding


def _in_lines(method: Method) -> bool:
    """What `curl` sends is one request, so it cannot be a stream."""
    return method.server_streaming and not method.client_streaming


def _allowed(method: Method) -> Sequence[str]:
    """The methods of HTTP; an EventSource can only GET."""
    return ("GET", "POST") if _in_lines(method) else ("POST",)


def _unknown(path: str) -> Unimplemented:
    return Unimplemented(f"no method {path!r}; the protos list them", error_pb2.ERROR_REASON_METHOD_UNKNOWN)


def _not_spoken(content_type: str) -> InvalidArgument:
    return InvalidArgument(
        f"{f'content-type {content_type!r}' if content_type else 'a body without content-type'} is not spoken here; send "
        "application/json, or use a client of Connect or gRPC-Web. gRPC itself is for the gateway, and a stream in Connect is "
        "application/connect+json",
        error_pb2.ERROR_REASON_METHOD_UNKNOWN,
    )


def _not_unpacked(encoding: str) -> InvalidArgument:
    return InvalidArgument(
        f"content-encoding {encoding!r} is for unary calls in JSON or Connect; send this request as it is",
        error_pb2.ERROR_REASON_FRAME_INVALID,
    )


def _needs_http2() -> Unimplemented:
    return Unimplemented(
        "a stream in both directions needs HTTP/2; use SessionService.Listen and the unary calls",
        error_pb2.ERROR_REASON_METHOD_UNKNOWN,
    )
