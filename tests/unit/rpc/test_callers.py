"""Who may call what between services is said of every method that there is."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import tertulia_internal
from google.protobuf.descriptor import MethodDescriptor

from libs.rpc.callers import AT_THE_PUBLIC_PORT, CHANNEL, GATEWAY, MAY_CALL, MESSAGE_STORE, PRESENCE, may_call
from services.channel.main import SERVICES


def internal_methods() -> Iterator[MethodDescriptor]:
    [folder] = map(Path, tertulia_internal.__path__)
    for file in folder.rglob("*_pb2.py"):
        module = importlib.import_module(".".join(file.relative_to(folder.parent).with_suffix("").parts))
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from service.methods


def path_of(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def test_of_every_internal_method_it_is_said_who_may_call_it() -> None:
    there = {path_of(method) for method in internal_methods()}
    assert len(there) > 15
    assert there == MAY_CALL.keys() | AT_THE_PUBLIC_PORT


def test_those_who_may_are_services() -> None:
    assert set().union(*MAY_CALL.values()) <= {GATEWAY, CHANNEL, MESSAGE_STORE, PRESENCE}


def test_public_methods_that_channel_serves_are_for_the_gateway() -> None:
    public = [service for service in SERVICES if service.startswith("tertulia.chat.")]
    assert len(public) == 2
    assert all(may_call(f"/{service}/Any") == {GATEWAY} for service in public)


def test_nobody_may_call_what_is_not_said() -> None:
    assert not may_call("/tertulia_internal.channel.v1.AccessService/New")
    assert not may_call("/tertulia.chat.v1.UserServiceOfAnother/GetUser")
