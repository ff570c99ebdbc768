"""The public RPCs at the gateway, for whichever protocol they came by: bytes in, bytes out."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager

from connectrpc.code import Code
from tertulia.chat.v1 import session_pb2

from services.web.carrier import Carriers
from services.web.errors import to_connect_error
from services.web.methods import Method
from services.web.stats import Calls
from services.web.streams import Streams
from services.web.upstream import Gateway, Metadata

LISTEN = f"/{session_pb2.DESCRIPTOR.services_by_name['SessionService'].full_name}/Listen"
"""The stream that carriers know. Any other is passed on as it is."""


class Api:
    """Calls methods, and counts the calls."""

    def __init__(self, gateway: Gateway, carriers: Carriers, streams: Streams, calls: Calls) -> None:
        self._gateway = gateway
        self._carriers = carriers
        self._streams = streams
        self._calls = calls

    async def call(self, method: Method, request: bytes, metadata: Metadata, timeout: float | None = None) -> bytes:
        """A unary call, within `timeout` seconds if the client set any.

        Raises:
            TertuliaError: the gateway refused, or did not answer.
        """
        return await self._gateway.call(method.path, request, metadata, timeout)

    def listen(self, method: Method, request: bytes, metadata: Metadata) -> AsyncGenerator[bytes]:
        """A call that is answered by a stream: its frames, as `Streams.frames` has them.

        Raises:
            Unavailable: the door is closing.
            ResourceExhausted: the request is too large.
        """
        self._streams.admit()
        if method.path == LISTEN:
            return self._streams.frames(self._carriers.listen(request, metadata))
        return self._streams.frames(self._gateway.listen(method.path, request, metadata))

    def open(self, method: Method, requests: AsyncIterator[bytes], metadata: Metadata) -> AsyncGenerator[bytes]:
        """A stream answered by a stream; likewise."""
        self._streams.admit()
        return self._streams.frames(self._gateway.open(method.path, requests, metadata))

    @contextmanager
    def counted(self, method: Method) -> Iterator[None]:
        """Count and time what the body does, and make its failures fit for clients.

        Raises:
            ConnectError: the body raised an exception.
        """
        began = time.perf_counter()
        code = Code.CANCELED.value
        try:
            yield
            code = "ok"
        except Exception as error:
            clean = to_connect_error(error)
            code = clean.code.value
            raise clean from error
        finally:
            self._calls.ended(method.path, code)
            if not method.server_streaming:
                self._calls.took(method.path, time.perf_counter() - began)
