"""What waits for a stream: joined, bounded, and ended well."""

import asyncio

import pytest
from tertulia.chat.v1 import error_pb2, session_pb2

from libs.rpc.errors import Unavailable
from services.web.stats import Stats
from services.web.streams import Stream, Streams

LIMIT = 1_000


def frame(text: str) -> bytes:
    return session_pb2.ServerFrame(failures=[session_pb2.Failure(message=text)]).SerializeToString()


def texts(data: bytes | None) -> list[str]:
    assert data is not None
    return [failure.message for failure in session_pb2.ServerFrame.FromString(data).failures]


def stream() -> Stream:
    return Stream(LIMIT, asyncio.get_running_loop().time)


async def test_an_empty_frame_comes_before_anything() -> None:
    assert await stream().take() == b""


async def test_frames_that_came_together_are_taken_as_one() -> None:
    it = stream()
    for text in ("a", "b", "c"):
        it.push(frame(text))
    assert texts(await it.take()) == ["a", "b", "c"]


async def test_who_takes_waits_for_a_frame() -> None:
    it = stream()
    await it.take()
    taking = asyncio.create_task(it.take())
    await asyncio.sleep(0)
    assert it.idle
    it.push(frame("a"))
    assert texts(await taking) == ["a"]
    assert not it.idle


async def test_the_last_frame_comes_behind_what_waits_and_then_it_is_over() -> None:
    it = stream()
    it.push(frame("a"))
    it.end(frame("bye"))
    it.push(frame("too late"))
    assert texts(await it.take()) == ["a", "bye"]
    assert await it.take() is None


async def test_who_pushes_waits_until_there_is_room() -> None:
    it = stream()
    assert not it.push(b"x" * LIMIT)
    assert it.push(b"x")
    waiting = asyncio.create_task(it.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert len(await it.take() or b"") == LIMIT + 1
    async with asyncio.timeout(1):
        await waiting


async def test_an_end_lets_go_of_who_waits_for_room() -> None:
    it = stream()
    it.push(b"x" * 2 * LIMIT)
    waiting = asyncio.create_task(it.room())
    await asyncio.sleep(0)
    it.end()
    async with asyncio.timeout(1):
        await waiting


async def test_the_first_end_is_the_one_that_counts() -> None:
    it = stream()
    it.end(frame("bye"))
    it.end(error=Unavailable("too late", error_pb2.ERROR_REASON_UNAVAILABLE))
    assert texts(await it.take()) == ["bye"]
    assert it.error is None


async def test_a_stopping_door_takes_no_new_streams() -> None:
    streams = Streams(LIMIT, 15, Stats())
    streams.admit()
    streams.say_goodbye(0)
    assert streams.draining
    with pytest.raises(Unavailable):
        streams.admit()
