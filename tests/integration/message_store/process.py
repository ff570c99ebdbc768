"""message_store as a process of its own, with a real NATS, and clients of it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import event_pb2
from tertulia_internal.message_store.v1 import log_pb2, log_pb2_grpc

from libs.bus import Bus
from libs.bus.nats import nats_bus
from libs.rpc.client import call, open_channel
from libs.rpc.errors import TertuliaError
from tests.support.nats import NatsServer, nats_server
from tests.support.ports import until

LOG = log_pb2.LogKey(application_id="app", log_id=b"0123456789abcdef")
OTHER = log_pb2.LogKey(application_id="app", log_id=b"another log 0002")


def item(
    client_id: str,
    *,
    text: str = "hello",
    log: log_pb2.LogKey = LOG,
    control: bool = False,
    after_seq: int | None = None,
) -> log_pb2.AppendItem:
    event = event_pb2.Event(message=event_pb2.Message(text=text))
    if control:
        event = event_pb2.Event(membership_change=event_pb2.MembershipChange(added_user_ids=[text]))
    return log_pb2.AppendItem(
        log=log,
        kind=log_pb2.EVENT_KIND_CONTROL if control else log_pb2.EVENT_KIND_MESSAGE,
        sender_user_id="alice",
        client_id=client_id,
        after_seq=after_seq,
        content=event.SerializeToString(),
    )


class MessageStore:
    """A message_store process that can be stopped, killed and started again, and calls to it."""

    def __init__(self, directory: Path, nats: NatsServer, bus: Bus, stub: "log_pb2_grpc.LogServiceAsyncStub") -> None:
        self.directory = directory
        self.nats = nats
        self.bus = bus
        self.stub = stub
        self.process: asyncio.subprocess.Process | None = None

    def environment(self, **settings: str) -> dict[str, str]:
        named = {
            "listen": f"unix:{self.directory}/store.sock",
            "data_dir": str(self.directory / "data"),
            "bus_address": self.nats.address,
            **settings,
        }
        return {**os.environ, **{f"TERTULIA_MESSAGE_STORE_{name.upper()}": value for name, value in named.items()}}

    async def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.message_store", env=self.environment(), stderr=log
            )
        await until(self._answers, "message_store answers")

    async def start_another(self, **settings: str) -> tuple[int, str]:
        """Start a second one that is to end by itself: its exit code, and what it wrote."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.message_store",
            env=self.environment(**{"listen": f"unix:{self.directory}/second.sock", **settings}),
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(20):
            _, written = await process.communicate()
        assert process.returncode is not None
        return process.returncode, written.decode()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def kill(self) -> None:
        """kill -9."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, signal_number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal_number)
        async with asyncio.timeout(20):
            return await self.process.wait()

    async def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, "message_store ended"
        try:
            await self.heads([LOG])
        except TertuliaError:
            return False
        return True

    async def append(self, *items: log_pb2.AppendItem) -> list[int]:
        """The seqs of items of which none may be refused."""
        response = await call(self.stub.Append, log_pb2.AppendRequest(items=items))
        assert not any(result.refusal for result in response.results)
        return [result.seq for result in response.results]

    async def heads(self, logs: Sequence[log_pb2.LogKey]) -> log_pb2.HeadsResponse:
        return await call(self.stub.Heads, log_pb2.HeadsRequest(logs=logs, with_last_message=True))

    async def read(self, first: int, last: int, log: log_pb2.LogKey = LOG) -> list[event_pb2.Event]:
        request = log_pb2.ReadRequest(log=log, from_seq=first, to_seq=last, limit=1_000)
        response = await call(self.stub.Read, request)
        return [event_pb2.Event.FromString(event) for event in response.events]

    async def everything(self, log: log_pb2.LogKey = LOG) -> list[event_pb2.Event]:
        """The whole log, oldest first."""
        events: list[event_pb2.Event] = []
        while page := await self.read(len(events) + 1, 1 << 50, log):
            events += page
        return events

    async def hear(self, subject: str) -> "asyncio.Queue[bytes]":
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        await self.bus.subscribe(subject, heard.put_nowait)
        await self.bus.flush()
        return heard


@asynccontextmanager
async def message_store(directory: Path) -> AsyncIterator[MessageStore]:
    """A running message_store with its NATS."""
    async with nats_server() as nats, nats_bus(nats.address, "test", CollectorRegistry()) as bus:
        channel: grpc.aio.Channel
        async with open_channel(f"unix:{directory}/store.sock") as channel:
            store = MessageStore(directory, nats, bus, log_pb2_grpc.LogServiceStub(channel))
            await store.start()
            try:
                yield store
            finally:
                await store.kill()
