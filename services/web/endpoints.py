"""Connect and gRPC-Web: connectrpc's endpoints, made of the public RPCs' descriptors."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint

from services.web.api import Api
from services.web.codecs import BinaryCodec, Encoded, Gzip, JsonCodec
from services.web.errors import with_reason
from services.web.methods import Method
from services.web.upstream import credentials

Context: TypeAlias = "RequestContext[Any, Any]"  # connectrpc speaks of messages; ours are bytes of them
Info: TypeAlias = "MethodInfo[Any, Any]"


class _Reasons:
    """An interceptor that gives reasons to what connectrpc refuses by itself."""

    async def on_start(self, _context: Context) -> None:
        """There is nothing to keep."""

    async def on_end(self, _token: None, _context: Context, error: Exception | None, /) -> None:
        if error is not None:
            raise with_reason(error)


class ConnectApi(ConnectASGIApplication[Api]):
    """An ASGI application with the methods given."""

    path = "/"

    def __init__(self, api: Api, methods: Sequence[Method], codec: JsonCodec, max_request_bytes: int) -> None:
        super().__init__(
            service=api,
            endpoints=lambda api: {method.path: _endpoint(api, method) for method in methods},
            interceptors=[_Reasons()],
            read_max_bytes=max_request_bytes,
            compressions=[Gzip()],
            codecs=[BinaryCodec(), codec],
        )

    async def _handle_error(self, exc: Exception, *rest: Any) -> bool:
        """connectrpc's own, with a reason for what it refuses before an interceptor sees it: a bad timeout."""
        return await super()._handle_error(with_reason(exc), *rest)


def _endpoint(api: Api, method: Method) -> Any:
    if method.client_streaming:
        return Endpoint.bidi_stream(_info(method, StreamType.BIDI_STREAM), _bidi_stream(api, method))
    if method.server_streaming:
        return Endpoint.server_stream(_info(method, StreamType.SERVER_STREAM), _server_stream(api, method))
    return Endpoint.unary(_info(method, StreamType.UNARY), _unary(api, method))


def _info(method: Method, stream_type: StreamType) -> Info:
    return MethodInfo(
        name=method.descriptor.name,
        service_name=method.descriptor.containing_service.full_name,
        input=method.request_class,
        output=method.response_class,
        idempotency_level=IdempotencyLevel.UNKNOWN,  # POST only: what is asked for does not belong into URLs
        stream_type=stream_type,
    )


def _unary(api: Api, method: Method) -> Callable[[bytes, Context], Awaitable[Encoded]]:
    async def unary(request: bytes, context: Context) -> Encoded:
        with api.counted(method):
            timeout = None if context.timeout_ms is None else context.timeout_ms / 1_000
            answer = await api.call(method, request, credentials(context.request_headers), timeout)
            return Encoded(method.response_class, answer)

    return unary


def _server_stream(api: Api, method: Method) -> Callable[[bytes, Context], AsyncGenerator[Encoded]]:
    async def server_stream(request: bytes, context: Context) -> AsyncGenerator[Encoded]:
        with api.counted(method):
            async with aclosing(api.listen(method, request, credentials(context.request_headers))) as frames:
                async for frame in frames:
                    yield Encoded(method.response_class, frame)

    return server_stream


def _bidi_stream(api: Api, method: Method) -> Callable[[AsyncIterator[bytes], Context], AsyncGenerator[Encoded]]:
    async def bidi_stream(requests: AsyncIterator[bytes], context: Context) -> AsyncGenerator[Encoded]:
        with api.counted(method):
            async with aclosing(api.open(method, requests, credentials(context.request_headers))) as frames:
                async for frame in frames:
                    yield Encoded(method.response_class, frame)

    return bidi_stream
