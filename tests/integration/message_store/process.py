"""message_store as a process of its own, with a real NATS, and clients of it."""

import asyncio
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
from tests.support.nats import NatsServer, nats_server
from tests.support.service import ServiceProcess

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
    """A message_store process, and calls to it."""

    def __init__(
        self, directory: Path, nats: NatsServer, bus: Bus, process: ServiceProcess, channel: grpc.aio.Channel
    ) -> None:
        self.directory = directory
        self.nats = nats
        self.bus = bus
        self.process = process
        self.stub = log_pb2_grpc.LogServiceStub(channel)

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
async def message_store(directory: Path, **settings: str) -> AsyncIterator[MessageStore]:
    """A running message_store with its NATS. Without settings that say otherwise it keeps its logs in SQLite."""
    address = f"unix:{directory}/store.sock"
    async with (
        nats_server() as nats,
        nats_bus(nats.address, "test", CollectorRegistry()) as bus,
        open_channel(address) as channel,
    ):
        named = settings or {"data_dir": str(directory / "data")}
        process = ServiceProcess(
            "message_store", address, channel, directory / "log", bus_address=nats.address, **named
        )
        await process.start()
        try:
            yield MessageStore(directory, nats, bus, process, channel)
        finally:
            await process.kill()
