"""Services of generated code on a server of ours: each unary method as it is, and all of them by links (see link.proto)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, cast

import grpc
from google.protobuf.message import DecodeError
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import error_pb2
from tertulia_internal.link.v1 import link_pb2

from libs.http2.call import Call
from libs.http2.limits import Limits
from libs.http2.link import LINK_PATH, MAX_BODY_BYTES, too_large
from libs.http2.request import Metadata
from libs.http2.server import Handler, Server
from libs.http2.standard import Health, reflection_handlers
from libs.rpc.caller import correlation_id, correlation_of
from libs.rpc.callers import CallerCheck
from libs.rpc.certificates import Certificates
from libs.rpc.client import MAX_MESSAGE_BYTES
from libs.rpc.errors import DeadlineExceeded, InvalidArgument, Unimplemented
from libs.rpc.faults import CallFigures, clean
from libs.rpc.status import to_status
from libs.rpc.transport import TransportGone

_LIMITS = Limits(
    max_message_bytes=MAX_MESSAGE_BYTES,
    max_streams=1_000,
    max_connections=10_000,
    max_age_seconds=300.0,  # as `libs.rpc.server`, and so is the grace: links are left by our own clients long before
    grace_seconds=60.0,
)
_OPEN_CALLS = 256
"""Of one link; those beyond stay unread. Each may hold a page of history, 1 MiB, for a client that does not read."""


class Context(NamedTuple):
    """What methods may ask of a call."""

    metadata: Metadata

    def invocation_metadata(self) -> Metadata:
        return self.metadata


class _Method(NamedTuple):
    run: Callable[[object, Context], Awaitable[object]]
    parse: Callable[[bytes], object]
    encode: Callable[[object], bytes]


class Services:
    """Give it to the `add_XServicer_to_server` of generated code, then `served`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._figures = CallFigures(registry)
        self._callers = CallerCheck(registry)
        self._methods: dict[str, _Method] = {}

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """The same methods come by `add_registered_method_handlers`."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]
    ) -> None:
        for name, handler in handlers.items():
            run, parse, encode = handler.unary_unary, handler.request_deserializer, handler.response_serializer
            if run is None or parse is None or encode is None:
                raise NotImplementedError(f"{name}: only unary methods are served here")
            self._methods[f"/{service}/{name}"] = _Method(
                cast("Callable[[object, Context], Awaitable[object]]", run), parse, encode
            )

    @asynccontextmanager
    async def served(
        self, listen: str, services: Sequence[str], drain_seconds: float, certificates: Certificates | None = None
    ) -> AsyncIterator[str]:
        """As `libs.rpc.server.served`.

        Raises:
            CannotStart: the address cannot be listened on.
        """
        health = Health()
        handlers = {
            **health.handlers(),
            **reflection_handlers(services),
            **{path: self._unary(path) for path in self._methods},
            LINK_PATH: self._link,
        }
        tls = certificates.listening() if certificates is not None else None
        async with Server(handlers, _LIMITS, self._registry).served(listen, drain_seconds, tls) as address:
            await health.serve(services)
            try:
                yield address
            finally:
                await health.stop()

    def _unary(self, path: str) -> Handler:
        async def unary(call: Call) -> None:
            request = await call.only_message()
            await call.answer(await self._respond(path, request, call.metadata, call.client_names))

        return unary

    async def _link(self, call: Call) -> None:
        self._callers.check(LINK_PATH, call.client_names)
        writing = asyncio.Lock()
        room = asyncio.Semaphore(_OPEN_CALLS)
        async with asyncio.TaskGroup() as tasks:
            with suppress(TransportGone):
                while (data := await call.read()) is not None:
                    await room.acquire()
                    tasks.create_task(self._answer(link_pb2.OpenRequest.FromString(data), call, writing, room))

    async def _answer(
        self, request: link_pb2.OpenRequest, call: Call, writing: asyncio.Lock, room: asyncio.Semaphore
    ) -> None:
        response = link_pb2.OpenResponse(call_id=request.call_id)
        metadata = [(each.key, _value(each)) for each in request.metadata]
        correlation_id.set(correlation_of(metadata))
        try:
            async with asyncio.timeout(request.timeout_ms / 1_000) as deadline:
                response.response = _not_too_large(
                    await self._respond(request.method, request.request, metadata, call.client_names)
                )
        except Exception as error:  # noqa: BLE001 - the one place where faults are turned into statuses
            failure = _too_late() if isinstance(error, TimeoutError) and deadline.expired() else clean(error)
            response.status = to_status(failure).SerializeToString()
        with suppress(TransportGone):  # the reader of the link notices, too
            async with writing:  # one at a time: a large one is written in pieces
                await call.write(response.SerializeToString())
        room.release()

    async def _respond(self, path: str, data: bytes, metadata: Metadata, caller: frozenset[str] | None) -> bytes:
        method = self._methods.get(path)
        if method is None:
            raise Unimplemented(f"no method {path!r}", error_pb2.ERROR_REASON_METHOD_UNKNOWN)
        with self._figures.observed(path):
            self._callers.check(path, caller)
            return method.encode(await method.run(_parsed(method, data), Context(metadata)))


def _parsed(method: _Method, data: bytes) -> object:
    try:
        return method.parse(data)
    except DecodeError:
        raise InvalidArgument("the request cannot be parsed", error_pb2.ERROR_REASON_FRAME_INVALID) from None


def _not_too_large(answer: bytes) -> bytes:
    if len(answer) > MAX_BODY_BYTES:
        raise too_large("an answer", len(answer))
    return answer


def _value(metadata: link_pb2.Metadata) -> str | bytes:
    return metadata.value if metadata.key.endswith("-bin") else metadata.value.decode(errors="replace")


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded("the call took longer than its deadline", error_pb2.ERROR_REASON_DEADLINE_EXCEEDED)
