"""Floods below any call: of connections, and of frames. Each is what a worker does until it is hung up on."""

import asyncio
import functools
import itertools
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from hyperframe.frame import ContinuationFrame, HeadersFrame, SettingsFrame

from tests.floods.servers import NAME, Target
from tests.floods.tally import Attack, Tally
from tests.integration.http2.raw import PREFACE, Peer, raw, reset

OPEN = "/tertulia.chat.v1.SessionService/Open"
_LARGE_HEADER = b"\x00\x0dauthorization\x7f\xb1\x6c" + b"x" * 14_000
"""As HPACK has it, without its codes: to make those would take longer than to read them."""
_GULP = 100  # frames of one write
_CALLS = 900  # of one connection; a thousand are allowed
_ONE_SOURCE = "127.0.0.10"
_SOURCES = itertools.cycle(f"127.0.0.{last}" for last in range(2, 10))


async def _connect(
    target: Target, tls: ssl.SSLContext | None = None, source: str = ""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    local = (source or next(_SOURCES), 0)
    name = NAME if tls is not None else None
    return await asyncio.open_connection("127.0.0.1", target.port, ssl=tls, server_hostname=name, local_addr=local)


async def say_nothing(target: Target, tally: Tally, source: str = "") -> None:
    """TCP, and no TLS."""
    reader, writer = await _connect(target, source=source)
    tally.made += 1
    try:
        await reader.read()
    finally:
        writer.close()


async def say_nothing_from_one_machine(target: Target, tally: Tally) -> None:
    """Who is hung up on comes again at once."""
    await say_nothing(target, tally, _ONE_SOURCE)


async def speak_http1(target: Target, tally: Tally) -> None:
    """What is no TLS."""
    reader, writer = await _connect(target)
    tally.made += 1
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.read()
    finally:
        writer.close()


@functools.cache
def _hello() -> bytes:
    """The first message of TLS."""
    outgoing = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=NAME).do_handshake()
    return outgoing.read()


async def shake_hands_slowly(target: Target, tally: Tally) -> None:
    """The first message of TLS, ten bytes a second."""
    reader, writer = await _connect(target)
    tally.made += 1
    read = asyncio.ensure_future(reader.read())
    try:
        for byte in _hello():
            writer.write(bytes([byte]))
            await asyncio.wait([read], timeout=0.1)
            if read.done():
                break
    finally:
        read.cancel()
        writer.close()


@functools.cache
def _believing(authority: Path) -> ssl.SSLContext:
    tls = ssl.create_default_context(cafile=str(authority))
    tls.set_alpn_protocols(["h2"])
    return tls


@asynccontextmanager
async def _greeted(target: Target) -> AsyncIterator[tuple[Peer, asyncio.StreamWriter]]:
    reader, writer = await _connect(target, _believing(target.authority))
    peer = Peer(reader, writer)
    reading = asyncio.ensure_future(_read(reader, writer))
    try:
        peer.send_bytes(PREFACE)
        peer.send(SettingsFrame(0))
        peer.send(SettingsFrame(0, flags=["ACK"]))
        yield peer, writer
    finally:
        reading.cancel()
        writer.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What it answers, so that a flood is not stopped by that; to the end, and then nothing more is said."""
    with suppress(ConnectionError):
        while await reader.read(65_536):
            pass
    writer.close()


async def stay(target: Target, tally: Tally) -> None:
    """TLS and a greeting, and no call: nobody knows who that is."""
    async with _greeted(target) as (_, writer):
        tally.made += 1
        await writer.wait_closed()


def frames(one: Callable[[Peer, int], bytes]) -> Attack:
    """A flood of what `one` makes for each call's number: 1, 3, 5 …"""

    async def flood(target: Target, tally: Tally) -> None:
        async with _greeted(target) as (peer, writer):
            for first in itertools.count(1, 2 * _GULP):
                data = b"".join(one(peer, first + 2 * number) for number in range(_GULP))
                if writer.is_closing() or not data:
                    break
                peer.send_bytes(data)
                await writer.drain()
                await asyncio.sleep(0)  # what can be written at once does not let the others have their turn
                tally.made += _GULP
            await writer.wait_closed()

    return flood


def _call(peer: Peer, stream_id: int) -> HeadersFrame:
    return peer.call_frame(stream_id, "", (":path", OPEN))


def rapid_reset(peer: Peer, stream_id: int) -> bytes:
    """CVE-2023-44487."""
    return _call(peer, stream_id).serialize() + reset(stream_id).serialize()


def continuation(_: Peer, stream_id: int) -> bytes:
    """Headers without end: CVE-2024-27316 and its like."""
    return HeadersFrame(1, b"\x82").serialize() if stream_id == 1 else ContinuationFrame(1, b"").serialize()


def large_headers(peer: Peer, stream_id: int) -> bytes:
    """More than a call may have, and less than what ends the connection."""
    headers = _call(peer, stream_id)
    headers.data += _LARGE_HEADER
    return headers.serialize()


def ping(_: Peer, __: int) -> bytes:
    return raw(6, 0, 0, b"12345678")


def settings(_: Peer, __: int) -> bytes:
    return raw(4, 0, 0, b"")


def large_frame(_: Peer, __: int) -> bytes:
    """More than we ever said that we take."""
    return raw(0, 0, 1, b"x" * 16_385)


def huge_message(peer: Peer, stream_id: int) -> bytes:
    """A message that says of itself that it has a gigabyte."""
    return _call(peer, stream_id).serialize() + raw(0, 0, stream_id, b"\0\x40\0\0\0" + b"x" * 1_000)


def endless(peer: Peer, stream_id: int) -> bytes:
    """Calls that never say anything; no more of them than a connection may have."""
    return _call(peer, stream_id).serialize() if stream_id < 2 * _CALLS else b""
