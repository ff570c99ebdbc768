"""Channels to services that show who they are, and are shown who calls."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc

from libs.rpc.certificates import Certificates, Identity
from libs.rpc.client import open_channel

_LAST_CALLS_SECONDS = 130.0  # above the longest deadline, that of OpenInbox


class _Renewed:
    """A channel as stubs ask for it, in place of one of gRPC's for each version of the certificates: such a one uses for ever what it
    was given. Calls that were begun end on the channel that they began on."""

    def __init__(self, address: str, service: str, certificates: Certificates) -> None:
        self._address = address
        self._service = service
        self._certificates = certificates
        self._shown: Identity | None = None
        self._channel: grpc.aio.Channel
        self._open: set[grpc.aio.Channel] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool = False,
    ) -> Callable[..., object]:
        """As `grpc.aio.Channel.unary_unary`."""
        return self._method(lambda channel: channel.unary_unary(method, request_serializer, response_deserializer))

    def unary_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool = False,
    ) -> Callable[..., object]:
        """As `grpc.aio.Channel.unary_stream`."""
        return self._method(lambda channel: channel.unary_stream(method, request_serializer, response_deserializer))

    async def close(self) -> None:
        """Close it; open calls fail."""
        for task in self._closing:
            task.cancel()
        for channel in list(self._open):
            await channel.close()

    def _method(self, make: Callable[[grpc.aio.Channel], Callable[..., object]]) -> Callable[..., object]:
        made_for: grpc.aio.Channel | None = None
        made: Callable[..., object]

        def call(*arguments: object, **options: object) -> object:
            nonlocal made_for, made
            channel = self._current()
            if channel is not made_for:
                made_for, made = channel, make(channel)
            return made(*arguments, **options)

        return call

    def _current(self) -> grpc.aio.Channel:
        identity = self._certificates.current()
        if identity is not self._shown:
            if self._shown is not None:
                task = asyncio.get_running_loop().create_task(self._retire(self._channel))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
            self._shown = identity
            self._channel = _secure_channel(self._address, self._service, identity)
            self._open.add(self._channel)
        return self._channel

    async def _retire(self, channel: grpc.aio.Channel) -> None:
        await asyncio.sleep(_LAST_CALLS_SECONDS)
        await channel.close()
        self._open.discard(channel)


def _secure_channel(address: str, service: str, identity: Identity) -> grpc.aio.Channel:
    # addresses come and go: a server is known by its service's name
    return open_channel(
        address,
        [("grpc.ssl_target_name_override", service)],
        credentials=grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate),
    )


@asynccontextmanager
async def open_service(
    address: str, service: str, certificates: Certificates | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a service while the body runs; see `open_channel`.

    With `certificates` it is mutual TLS: whoever answers must have a certificate with the service's name. It has `unary_unary` and
    `unary_stream` only.
    """
    if certificates is None:
        async with open_channel(address) as channel:
            yield channel
        return
    renewed = _Renewed(address, service, certificates)
    try:
        yield cast("grpc.aio.Channel", renewed)
    finally:
        await renewed.close()
