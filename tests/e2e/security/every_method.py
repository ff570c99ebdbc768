"""Every unary method of the public API, from its descriptors, and a good request for each."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from google.protobuf import field_mask_pb2
from google.protobuf.descriptor import Descriptor, FileDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tertulia.chat.v1 import channel_pb2, event_pb2, message_pb2, presence_pb2, role_pb2, session_pb2, user_pb2

from tests.e2e.security.scene import Scene

FILES: Iterable[FileDescriptor] = tuple(
    module.DESCRIPTOR for module in (channel_pb2, message_pb2, presence_pb2, session_pb2, user_pb2)
)


class Method(NamedTuple):
    """A unary method."""

    name: str
    """`<Service>/<Method>`."""
    request: Descriptor

    @property
    def is_about_a_channel(self) -> bool:
        """It names a channel that exists."""
        return "channel_id" in self.request.fields_by_name and self.name != "ChannelService/CreateChannel"

    def good_request(self, scene: Scene, channel: str = "group") -> Message:
        """One that somebody may send, about a channel of the scene: every field has a value that is tried here or may be empty."""
        fields = {name: VALUES[name](scene, channel) for name in self.request.fields_by_name if name in VALUES}
        return GetMessageClass(self.request)(**fields)


VALUES: Mapping[str, Callable[[Scene, str], object]] = {
    "active": lambda *_: True,
    "channel_id": lambda scene, channel: scene.id(channel),
    "client_id": lambda *_: secrets.token_hex(8),
    "client_message_id": lambda *_: secrets.token_hex(8),
    "delivered_seq": lambda *_: 1,
    "fields": lambda *_: event_pb2.ChannelFields(name="another name"),
    "key": lambda *_: "+1",
    "kind": lambda *_: channel_pb2.CHANNEL_KIND_GROUP,
    "message": lambda *_: event_pb2.Message(text="hello"),
    "muted": lambda *_: True,
    "name_prefix": lambda *_: "a",
    "read_seq": lambda *_: 1,
    "role": lambda *_: role_pb2.MEMBER_ROLE_OPERATOR,
    "seq": lambda scene, _: scene.alices_seq,
    "update_mask": lambda *_: field_mask_pb2.FieldMask(paths=["name"]),
    "user_id": lambda scene, _: scene.id("bob"),
    "user_ids": lambda scene, _: [scene.id("bob")],
    "users": lambda scene, _: [user_pb2.UserProfile(user_id=scene.id("bob"))],
}
"""By the name of a field. A new field that must have a value gets one here; without it the call is refused as FIELD_INVALID."""


def unary_methods(files: Iterable[FileDescriptor] = FILES) -> list[Method]:
    services: list[ServiceDescriptor] = [service for file in files for service in file.services_by_name.values()]
    return [
        Method(f"{service.name}/{method.name}", method.input_type)
        for service in services
        for method in service.methods
        if not (method.client_streaming or method.server_streaming)
    ]


METHODS = unary_methods()
ABOUT_A_CHANNEL = [method for method in METHODS if method.is_about_a_channel]
