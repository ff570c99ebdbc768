"""The public API without an SDK: one call, and what it was refused with."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

SECONDS = 20.0

Response = TypeVar("Response", bound=Message)
Metadata = Sequence[tuple[str, str]]


class Refusal(NamedTuple):
    """What a call was answered that was not done."""

    code: str
    """The canonical code's name."""
    reason: str
    """Of the one ErrorInfo; empty: there is none."""
    message: str
    details: Sequence[str]
    """The names of the other details: BadRequest, RetryInfo."""


class Api:
    """Calls methods, encoded by hand where a test wants to send what no client would."""

    def __init__(self, connection: grpc.aio.Channel, secret: Secret) -> None:
        self.connection = connection
        self.secret = secret

    def user(self, user_id: str) -> Metadata:
        return bearer(self.secret.user_token(user_id))

    def server(self, acting_for: str = "") -> Metadata:
        metadata = bearer(self.secret.server_token())
        return [*metadata, ("tertulia-user", acting_for)] if acting_for else metadata

    async def call(
        self, metadata: Metadata, method: str, request: Message | bytes, response: type[Response]
    ) -> Response:
        """The response of `<Service>/<Method>`; fails the test if it is refused."""
        answer = await self.attempt(metadata, method, request)
        assert not isinstance(answer, Refusal), f"{method} was refused: {answer}"
        return response.FromString(answer)

    async def attempt(self, metadata: Metadata, method: str, request: Message | bytes) -> bytes | Refusal:
        """What a call is answered."""
        remote: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.connection.unary_unary(
            f"/tertulia.chat.v1.{method}"
        )
        data = request if isinstance(request, bytes) else request.SerializeToString()
        try:
            return await remote(data, metadata=list(metadata), timeout=SECONDS)
        except grpc.aio.AioRpcError as error:
            return refusal_of(error)


def bearer(token: str) -> Metadata:
    return [("authorization", f"Bearer {token}")]


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    status = rpc_status.from_call(error)  # type: ignore[arg-type] # it has what is read of a call
    reason = ""
    others = []
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reason = info.reason
        else:
            others.append(detail.TypeName().rpartition(".")[2])
    return Refusal(error.code().name, reason, error.details() or "", others)


@asynccontextmanager
async def api(address: str, secret: str = DEVELOPMENT_SECRET) -> AsyncIterator[Api]:
    """A connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", 64 * 1024 * 1024)]
    async with grpc.aio.insecure_channel(address, options=options) as connection:
        yield Api(connection, Secret.parse(secret))
