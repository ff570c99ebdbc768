"""Calls from one service to another: kept-alive channels, a deadline on every call, errors as exceptions."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import Protocol, TypeVar

import grpc
import structlog
from tertulia.chat.v1 import error_pb2

from libs.rpc.caller import CALLER_KEY, CORRELATION_KEY, Caller, correlation_id, encode_caller
from libs.rpc.errors import DeadlineExceeded, TertuliaError, Unavailable, Unimplemented
from libs.rpc.status import from_rpc_error

log = structlog.get_logger()
Request = TypeVar("Request")
Response = TypeVar("Response")
Request_contra = TypeVar("Request_contra", contravariant=True)
Response_co = TypeVar("Response_co", covariant=True)
Metadata = Sequence[tuple[str, str | bytes]]

CALL_SECONDS = 5.0
"""The usual deadline of a call inside the cluster."""

_UPGRADE_RETRY_MS = 1_000  # the next try may come to a process that is new already

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Between services a message may hold many events; what clients may send is limited at the gateway."""

_OPTIONS: Sequence[tuple[str, int | str]] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # a peer that vanished without a FIN is noticed within 15 s; servers permit this (see libs.rpc.server)
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # a peer that restarts is found again within a second
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    # calls go in turn to every address that the name has; one that went away is asked about again within a second
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
)


class UnaryMethod(Protocol[Request_contra, Response_co]):
    """A method of a stub, on a gRPC channel or on a link (`libs.http2.link`)."""

    def __call__(self, request: Request_contra, /, *, timeout: float, metadata: Metadata) -> Awaitable[Response_co]: ...


def open_channel(
    address: str,
    options: Sequence[tuple[str, int | str]] = (),
    root_certificates: bytes = b"",
    credentials: grpc.ChannelCredentials | None = None,
) -> grpc.aio.Channel:
    """A channel to a service at `host:port`, `unix:/path` or `dns:///name:port`. Close it when done.

    A name may have several addresses, one for each process of the service (of Kubernetes, a headless Service): each is connected
    to, and calls go to them in turn.

    `options` of gRPC are for this channel beside those of all. With `root_certificates` (PEM) it is TLS, and the server must have a
    certificate that one of them has signed; `credentials` may say more of what is shown and believed.
    """
    all_options = (*_OPTIONS, *options)
    if root_certificates:
        credentials = grpc.ssl_channel_credentials(root_certificates)
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=all_options)
    return grpc.aio.secure_channel(address, credentials, options=all_options)


async def call(
    method: UnaryMethod[Request, Response],
    request: Request,
    *,
    caller: Caller | None = None,
    timeout: float = CALL_SECONDS,
) -> Response:
    """Call a method of another service, passing the correlation id and, for public methods, the caller on.

    Raises:
        TertuliaError: what the service answered, or Unavailable (OUTCOME_UNKNOWN) and DeadlineExceeded from the transport.
        Unavailable: UNAVAILABLE: the service has no such method yet: it is of an older version, which somebody is replacing.
    """
    try:
        return await method(request, timeout=timeout, metadata=_metadata(caller))
    except (grpc.aio.AioRpcError, Unimplemented) as error:  # a link raises the latter by itself
        failure = from_rpc_error(error) if isinstance(error, grpc.aio.AioRpcError) else error
        raise _of_service(failure) from error


async def parts_of(
    method: grpc.aio.UnaryStreamMultiCallable[Request, Response],
    request: Request,
    *,
    timeout: float,
    part_timeout: float = CALL_SECONDS,
) -> AsyncGenerator[Response]:
    """Call a method that answers in parts; whoever takes them slowly holds the service back.

    `timeout` is for the whole, `part_timeout` for the wait for each part; raises as `call`. Close it (`aclosing`) if it may
    be left early: the call ends with it.
    """
    answer = method(request, timeout=timeout, metadata=_metadata(None))
    parts = aiter(answer)
    try:
        while True:
            async with asyncio.timeout(part_timeout):
                part = await anext(parts, None)
            if part is None:
                return
            yield part
    except grpc.aio.AioRpcError as error:
        raise _of_service(from_rpc_error(error)) from error
    except TimeoutError:
        raise DeadlineExceeded(
            "the service that does this took too long; try again", error_pb2.ERROR_REASON_DEADLINE_EXCEEDED
        ) from None
    finally:
        answer.cancel()


def _of_service(failure: TertuliaError) -> TertuliaError:
    """What its failure is to whoever called us."""
    if failure.reason != error_pb2.ERROR_REASON_METHOD_UNKNOWN:
        return failure
    log.warning("service_is_older", error=failure.message)  # or what answers at that address is no such service
    return Unavailable(
        "the service that does this is of an older version, as while an upgrade is going on; try again",
        error_pb2.ERROR_REASON_UNAVAILABLE,
        retry_after_ms=_UPGRADE_RETRY_MS,
    )


def _metadata(caller: Caller | None) -> Metadata:
    metadata: list[tuple[str, str | bytes]] = []
    if caller is not None:
        metadata.append((CALLER_KEY, encode_caller(caller)))
    if correlation := correlation_id.get():
        metadata.append((CORRELATION_KEY, correlation))
    return metadata
