"""The gateway's public services on grpcio: generic handlers, bytes in and bytes out."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from tertulia.chat.v1 import session_pb2

from libs.rpc.validation import validate
from services.gateway.commands import frame_invalid
from services.gateway.methods import OWN, PASSED_ON, Method, Methods, methods_of, name_of
from services.gateway.sessions import Sessions
from services.gateway.tokens import Metadata, Tokens, acting_as
from services.gateway.transport import TransportGone

SESSION_SERVICE = session_pb2.DESCRIPTOR.services_by_name["SessionService"]
SERVICE_NAMES: Sequence[str] = [service.full_name for service in (SESSION_SERVICE, *OWN, *PASSED_ON)]
_ACTING_USER_KEY = "tertulia-user"

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # the types of grpcio know no handlers of grpc.aio


class _StreamTransport:
    """`transport.Transport` on a bidirectional gRPC stream."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def read(self) -> bytes | None:
        try:
            data: object = await self._context.read()
        except grpc.aio.BaseError as error:
            raise TransportGone from error
        return data if isinstance(data, bytes) else None  # grpc.aio.EOF

    async def write(self, data: bytes) -> None:
        try:
            await self._context.write(data)
        except grpc.aio.BaseError as error:
            raise TransportGone from error


class _ListenTransport(_StreamTransport):
    """The same for a client that cannot send: its one request is its first frame, and then it is silent."""

    def __init__(self, context: Context, first: bytes) -> None:
        super().__init__(context)
        self._first = first

    async def read(self) -> bytes | None:
        if self._first:
            first, self._first = self._first, b""
            return first
        silence: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        return await silence


def add_services(server: grpc.aio.Server, sessions: Sessions, tokens: Tokens, methods: Methods) -> None:
    """Register all public services with a server."""
    handlers: list[grpc.GenericRpcHandler] = [_session_service(sessions)]
    for service in (*OWN, *PASSED_ON):
        table: dict[str, _Handler] = {
            method.name: grpc.unary_unary_rpc_method_handler(_unary(methods[name_of(method)], tokens))
            for method in methods_of([service])
        }
        handlers.append(grpc.method_handlers_generic_handler(service.full_name, table))
    server.add_generic_rpc_handlers(handlers)


def _session_service(sessions: Sessions) -> grpc.GenericRpcHandler:
    async def open_session(_requests: object, context: Context) -> None:
        await sessions.serve(_StreamTransport(context), _metadata(context))

    async def listen(request: bytes, context: Context) -> None:
        await sessions.serve(_ListenTransport(context, _first_frame(request)), _metadata(context))

    table: dict[str, _Handler] = {
        "Open": grpc.stream_stream_rpc_method_handler(open_session),
        "Listen": grpc.unary_stream_rpc_method_handler(listen),
    }
    return grpc.method_handlers_generic_handler(SESSION_SERVICE.full_name, table)


def _first_frame(data: bytes) -> bytes:
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


def _unary(method: Method, tokens: Tokens) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def unary(request: bytes, context: Context) -> bytes:
        metadata = _metadata(context)
        identity = await tokens.authenticate(metadata)
        user_id = next((value for key, value in metadata if key == _ACTING_USER_KEY and isinstance(value, str)), "")
        return await method(acting_as(identity.caller, user_id), request)

    return unary


def _metadata(context: Context) -> Metadata:
    return context.invocation_metadata() or ()
