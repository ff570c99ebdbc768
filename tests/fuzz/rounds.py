"""What is attacked, in turn."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st
from tertulia.chat.v1 import session_pb2
from tertulia_internal.gateway.v1 import carrier_pb2

from tests.e2e.security.every_method import METHODS
from tests.e2e.security.scene import Scene
from tests.fuzz.inputs import http2_frames, json_values, wire
from tests.fuzz.targets import CALLERS, Target
from tests.support.api import api
from tests.support.stack import ServeStack, Stack

Attack: TypeAlias = Callable[[Target, st.DataObject], Coroutine[None, None, None]]
"""Draws one thing at once, in the thread of hypothesis, and sends it when it is awaited."""

_CALLERS = st.sampled_from(CALLERS)
_METHODS = st.sampled_from(METHODS)


def unary(target: Target, data: st.DataObject) -> Coroutine[None, None, None]:
    caller, method = data.draw(_CALLERS), data.draw(_METHODS)
    return target.call(caller, method.name, data.draw(target.inputs.requests(method)))


def session(target: Target, data: st.DataObject) -> Coroutine[None, None, None]:
    frames = target.inputs.messages(session_pb2.ClientFrame)
    hello, later = wire(frames.map(_greeting)), wire(frames.map(_without_hello))
    first = data.draw(hello if data.draw(st.integers(0, 9)) else later)
    return target.converse(data.draw(_CALLERS), [first, *data.draw(st.lists(later, max_size=3))])


def carrier(target: Target, data: st.DataObject) -> Coroutine[None, None, None]:
    requests = wire(target.inputs.messages(carrier_pb2.CarryRequest))
    return target.carry(data.draw(st.lists(requests, min_size=1, max_size=3)))


def json(target: Target, data: st.DataObject) -> Coroutine[None, None, None]:
    caller, method = data.draw(_CALLERS), data.draw(_METHODS)
    body = json_values(target.inputs.messages(GetMessageClass(method.request)))
    return target.post(caller, method.name, data.draw(body if data.draw(st.integers(0, 9)) else st.binary(max_size=40)))


def http2(target: Target, data: st.DataObject) -> Coroutine[None, None, None]:
    return target.disturb(data.draw(http2_frames()))


ATTACKS: Mapping[str, Attack] = {attack.__name__: attack for attack in (unary, session, carrier, json, http2)}


def _greeting(frame: session_pb2.ClientFrame) -> session_pb2.ClientFrame:
    frame.hello.SetInParent()
    return frame


def _without_hello(frame: session_pb2.ClientFrame) -> session_pb2.ClientFrame:
    frame.ClearField("hello")
    return frame


@asynccontextmanager
async def attacked(stack: Stack) -> AsyncIterator[Target]:
    """A stack with people and channels for one round."""
    assert stack.another is not None
    async with api(stack.address) as made:
        scene = Scene(made, stack.another)
        await scene.set()
        yield Target(scene, stack.address, stack.web if isinstance(stack, ServeStack) else "")
