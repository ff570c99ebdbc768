"""The public RPCs, found in the generated descriptors: one that is added tomorrow is served without a word here."""

import importlib
import pkgutil
from collections.abc import Sequence
from typing import NamedTuple

import tertulia.chat.v1
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass


class Method(NamedTuple):
    """A public RPC."""

    path: str
    """`/<service>/<method>`, in HTTP as in gRPC."""
    request_class: type[Message]
    response_class: type[Message]
    client_streaming: bool
    server_streaming: bool
    descriptor: MethodDescriptor


def public_methods() -> Sequence[Method]:
    """Every method of every service of package tertulia.chat.v1."""
    return [
        _method(method) for file in _files() for service in file.services_by_name.values() for method in service.methods
    ]


def _files() -> list[FileDescriptor]:
    package = tertulia.chat.v1
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name.endswith("_pb2"))
    return [importlib.import_module(f"{package.__name__}.{name}").DESCRIPTOR for name in names]


def _method(method: MethodDescriptor) -> Method:
    return Method(
        f"/{method.containing_service.full_name}/{method.name}",
        GetMessageClass(method.input_type),
        GetMessageClass(method.output_type),
        method.client_streaming,
        method.server_streaming,
        method,
    )
