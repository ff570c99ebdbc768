"""The web door's bill: `python -m tests.bench.web`. 200 streams of one channel, 50 messages a second.

CPU of door and gateway for 1,000 deliveries, memory of an open stream, and how a stop with open streams goes. Every stream
must have been given every message, and a goodbye at the end.
"""

import argparse
import asyncio
import os
import struct
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import tertulia
from tertulia.chat.v1 import session_pb2
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.bench.job import pace_ms
from tests.bench.processes import cpu, difference, memory
from tests.support.ports import until
from tests.support.stack import running_stack

_SECRET = Secret.parse(DEVELOPMENT_SECRET)
_PATH = "/tertulia.chat.v1.SessionService/Listen"
_BINARY = "application/connect+proto"
_CHANNEL = "bench"
_TEXT = "x" * 200
_SETTLE_SECONDS = 2.0
_STOP_SECONDS = 10.0
_ENVELOPE = struct.Struct(">BI")

# issue 9, must show 4
MUST = {"web": 0.040, "gateway": 0.015, "kib": 60.0, "stop": 5.0}


class _Listener(asyncio.Protocol):
    """A browser's stream over HTTP/1.1. It keeps what came; what that means is looked at when nothing is measured."""

    def __init__(self, user_id: str, *, json: bool) -> None:
        self.data = bytearray()
        self.closed = asyncio.get_running_loop().create_future()
        body = b"{}" if json else _ENVELOPE.pack(0, 0)
        kind = "application/json" if json else _BINARY
        head = (
            f"POST {_PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\ncontent-type: {kind}\r\n"
            f"authorization: Bearer {_SECRET.user_token(user_id)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._json = json

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def texts(self, mark: bytes) -> int:
        return self.data.count(mark)

    def said_goodbye(self) -> bool:
        if self._json:
            return b"GOODBYE_CODE_DRAIN" in self.data and b'"reconnect": true' in self.data
        frames = [session_pb2.ServerFrame.FromString(message) for message in self._messages()]
        goodbyes = [n.goodbye for frame in frames for n in frame.notices if n.HasField("goodbye")]
        return bool(goodbyes) and goodbyes[-1].reconnect

    def _messages(self) -> list[bytes]:
        body, plain = bytes(self.data).split(b"\r\n\r\n", 1)[1], b""
        chunks = []
        while body:
            size, _, rest = body.partition(b"\r\n")
            chunks.append(rest[: int(size, 16)])
            body = rest[int(size, 16) + 2 :]
        plain = b"".join(chunks)
        messages = []
        at = 0
        while at < len(plain):
            flags, length = _ENVELOPE.unpack_from(plain, at)
            at += _ENVELOPE.size
            if not flags & 2:
                messages.append(plain[at : at + length])
            at += length
        return messages


async def _measure(streams: int, rate: float, seconds: float, *, json: bool) -> list[str]:
    people = [f"bench-{number}" for number in range(streams)]
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="tertulia-bench-"))
        servers = await stack.enter_async_context(running_stack(Path(folder) / "data"))
        client = await stack.enter_async_context(tertulia.connect(servers.address, token=_SECRET.server_token()))
        await client.users.ensure(people)
        speaker = client.acting_for(people[0])
        await speaker.channels.create_group(people[1:], name="bench", channel_id=_CHANNEL)
        pids = {name: servers.pid(name) for name in ("web", "gateway", "message_store", "channel", "presence")}

        warm = await _open(servers.web, people[:20], json=json)  # what the first ones make a process load is not theirs
        await asyncio.sleep(_SETTLE_SECONDS)
        for one in warm:
            one.transport.close()
        await asyncio.sleep(_SETTLE_SECONDS)
        before = memory(pids)
        listeners = await _open(servers.web, people, json=json)
        await asyncio.sleep(_SETTLE_SECONDS)
        kib = {name: grown / streams for name, grown in difference(memory(pids), before).items()}

        used, begun, sends = cpu({**pids, "generator": os.getpid()}), time.perf_counter(), int(rate * seconds)
        for number in range(sends):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            sending = asyncio.create_task(speaker.send(_CHANNEL, f"<{number}>{_TEXT}"))
            if number == sends // 2:
                pace = pace_ms()  # while everything works
        await sending
        mark = f"<{sends - 1}>".encode()
        await until(lambda: all(one.texts(mark) for one in listeners), "everybody has the last message")
        took = time.perf_counter() - begun
        bill = difference(cpu({**pids, "generator": os.getpid()}), used)
        missing = [n for n in range(sends) for one in listeners if not one.texts(f"<{n}>".encode())]
        loaded = {name: kib_now / streams for name, kib_now in difference(memory(pids), before).items()}

        stopping = time.perf_counter()
        psutil.Process(pids["web"]).terminate()
        async with asyncio.timeout(_STOP_SECONDS):
            await asyncio.gather(*(one.closed for one in listeners))
        stop = time.perf_counter() - stopping
        told = sum(one.said_goodbye() for one in listeners)

    deliveries = sends * streams
    cost = {name: seconds_used / deliveries * 1_000 for name, seconds_used in bill.items()}
    print(
        f"{'JSON' if json else 'binary'}: {streams} streams, {sends} messages in {took:.1f} s, {deliveries} deliveries; "
        f"pace {pace:.1f} ms"
    )
    for name, value in cost.items():
        print(f"  {name}: {value:.4f} CPU-s per 1,000 deliveries")
    print(f"  KiB per stream, idle: {', '.join(f'{name} {value:.1f}' for name, value in kib.items())}")
    print(f"  KiB per stream, after the load: {', '.join(f'{name} {value:.1f}' for name, value in loaded.items())}")
    print(f"  stop: {stop:.2f} s, {told} of {streams} were told to reconnect; missing deliveries: {len(missing)}")
    return [
        what
        for what, is_wrong in (
            (f"door {cost['web']:.4f} > {MUST['web']}", cost["web"] > MUST["web"]),
            (f"gateway {cost['gateway']:.4f} > {MUST['gateway']}", cost["gateway"] > MUST["gateway"]),
            (f"{kib['web']:.1f} KiB per stream > {MUST['kib']}", kib["web"] > MUST["kib"]),
            (f"stop {stop:.1f} s > {MUST['stop']}", stop > MUST["stop"]),
            (f"{streams - told} were not told to reconnect", told < streams),
            (f"{len(missing)} deliveries are missing", bool(missing)),
        )
        if is_wrong
    ]


async def _open(web: str, people: list[str], *, json: bool) -> list[_Listener]:
    """Streams that have caught up."""
    host, _, port = web.removeprefix("http://").partition(":")
    loop = asyncio.get_running_loop()
    listeners = []
    for user_id in people:
        _, listener = await loop.create_connection(
            lambda user_id=user_id: _Listener(user_id, json=json),  # type: ignore[misc]
            host,
            int(port),
        )
        listeners.append(listener)
    done = b"caughtUp" if json else session_pb2.Notice(caught_up=session_pb2.CaughtUp()).SerializeToString()
    await until(lambda: all(one.texts(done) for one in listeners), "everybody has caught up", seconds=60)
    return listeners


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.web", description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0, help="messages a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true", help="NDJSON instead of Connect's binary form")
    options = parser.parse_args()
    missed = asyncio.run(_measure(options.streams, options.rate, options.seconds, json=options.json))
    print("missed: " + ("; ".join(missed) or "nothing"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
