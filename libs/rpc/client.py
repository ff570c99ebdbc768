"""Calls from one service to another: kept-alive channels, a deadline on every call, errors as exceptions."""

from collections.abc import Sequence
from typing import TypeVar

import grpc

from libs.rpc.caller import CALLER_KEY, CORRELATION_KEY, Caller, correlation_id, encode_caller
from libs.rpc.status import from_rpc_error

Request = TypeVar("Request")
Response = TypeVar("Response")

CALL_SECONDS = 5.0
"""The usual deadline of a call inside the cluster."""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Between services a message may hold many events; what clients may send is limited at the gateway."""

_OPTIONS: Sequence[tuple[str, int]] = (
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
)


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel to a service at `host:port`, `unix:/path` or `dns:///name:port`. Close it when done."""
    return grpc.aio.insecure_channel(address, options=_OPTIONS)


async def call(
    method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
    request: Request,
    *,
    caller: Caller | None = None,
    timeout: float = CALL_SECONDS,
) -> Response:
    """Call a method of another service, passing the correlation id and, for public methods, the caller on.

    Raises:
        TertuliaError: what the service answered, or Unavailable (OUTCOME_UNKNOWN) and DeadlineExceeded from the transport.
    """
    try:
        return await method(request, timeout=timeout, metadata=_metadata(caller))
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


async def collect(
    method: grpc.aio.UnaryStreamMultiCallable[Request, Response], request: Request, *, timeout: float = CALL_SECONDS
) -> list[Response]:
    """Call a method that answers in parts, and wait for all of them. `timeout` is for the whole; raises as `call`."""
    try:
        return [part async for part in method(request, timeout=timeout, metadata=_metadata(None))]
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


def _metadata(caller: Caller | None) -> list[tuple[str, str | bytes]]:
    metadata: list[tuple[str, str | bytes]] = []
    if caller is not None:
        metadata.append((CALLER_KEY, encode_caller(caller)))
    if correlation := correlation_id.get():
        metadata.append((CORRELATION_KEY, correlation))
    return metadata
