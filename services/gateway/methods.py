"""The unary methods, by name: served as gRPC methods and by calls on sessions, with bytes in and bytes out."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from tertulia.chat.v1 import channel_pb2, error_pb2, message_pb2, presence_pb2, user_pb2

from libs.rpc.caller import Caller
from libs.rpc.client import call
from libs.rpc.errors import InvalidArgument
from libs.rpc.validation import validate

RequestType = TypeVar("RequestType", bound=Message)
Method = Callable[[Caller, bytes], Awaitable[bytes]]
Methods = Mapping[str, Method]
"""By "<Service>/<Method>" of package tertulia.chat.v1."""

PASSED_ON: Sequence[ServiceDescriptor] = (
    channel_pb2.DESCRIPTOR.services_by_name["ChannelService"],
    user_pb2.DESCRIPTOR.services_by_name["UserService"],
)
"""Services that channel implements. The gateway does not look into their messages: a method added tomorrow needs a scope and nothing else."""

OWN: Sequence[ServiceDescriptor] = (
    message_pb2.DESCRIPTOR.services_by_name["MessageService"],
    presence_pb2.DESCRIPTOR.services_by_name["PresenceService"],
)
"""Services that the gateway implements."""


def name_of(method: MethodDescriptor) -> str:
    return f"{method.containing_service.name}/{method.name}"


def passed_on(channel: grpc.aio.Channel) -> Methods:
    """The methods of `PASSED_ON`, at the channel service."""
    return {name_of(method): _pass_on(channel, method) for service in PASSED_ON for method in service.methods}


def _pass_on(channel: grpc.aio.Channel, method: MethodDescriptor) -> Method:
    path = f"/{method.containing_service.full_name}/{method.name}"
    remote: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)

    async def pass_on(caller: Caller, request: bytes) -> bytes:
        return await call(remote, request, caller=caller)

    return pass_on


def parsed(request_class: type[RequestType], data: bytes) -> RequestType:
    """A valid request.

    Raises:
        InvalidArgument: FRAME_INVALID: it cannot be parsed.
        FieldsInvalid: it breaks a rule.
    """
    try:
        request = request_class.FromString(data)
    except DecodeError:
        raise InvalidArgument(
            f"the request is no {request_class.DESCRIPTOR.full_name}", error_pb2.ERROR_REASON_FRAME_INVALID
        ) from None
    validate(request)
    return request


class ChannelIds:
    """Finds which channel a request is about, so that calls about one channel are carried out in order."""

    def __init__(self) -> None:
        self._requests = {
            name_of(method): message_factory.GetMessageClass(method.input_type)
            for service in (*PASSED_ON, *OWN)
            for method in service.methods
            if "channel_id" in method.input_type.fields_by_name
        }

    def of(self, method: str, request: bytes) -> str:
        """Empty: it is about none, or cannot be parsed."""
        request_class = self._requests.get(method)
        if request_class is None:
            return ""
        try:
            return str(request_class.FromString(request).channel_id)  # type: ignore[attr-defined] # it was looked up
        except DecodeError:
            return ""


def methods_of(services: Sequence[ServiceDescriptor]) -> Iterator[MethodDescriptor]:
    for service in services:
        yield from service.methods
