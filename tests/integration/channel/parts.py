"""A channel process with a real message_store and a real NATS, and a weak link between the first two."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import channel_pb2_grpc, error_pb2, event_pb2, user_pb2_grpc
from tertulia_internal.channel.v1 import access_pb2_grpc
from tertulia_internal.message_store.v1 import log_pb2, log_pb2_grpc

from libs.bus import Bus
from libs.bus.nats import nats_bus
from libs.http2.services import Services
from libs.log_owners import LogRouter, Owners
from libs.rpc.client import call, open_channel
from libs.rpc.errors import TertuliaError
from libs.rpc.status import unavailable
from tests.support.nats import NatsServer, nats_server
from tests.support.service import ServiceProcess

APPLICATION = "dev"

Fault = Callable[[log_pb2.AppendRequest], Awaitable[None]]


class WeakLink(log_pb2_grpc.LogServiceServicer):
    """Passes LogService on to the real one, and breaks appends where a test says so."""

    def __init__(self, stub: "log_pb2_grpc.LogServiceAsyncStub") -> None:
        self._stub = stub
        self.before: Fault | None = None
        """Awaited before an append is passed on: what it raises is the answer, and nothing was appended."""
        self.after: Fault | None = None
        """Awaited after an append was passed on: what it raises takes the place of the answer."""
        self.before_heads: Callable[[], Awaitable[None]] | None = None
        """Awaited before heads are read."""

    def mend(self) -> None:
        """No more faults."""
        self.before = self.after = self.before_heads = None

    async def Append(self, request: log_pb2.AppendRequest, context: object) -> log_pb2.AppendResponse:
        if self.before is not None:
            await self.before(request)
        response = await call(self._stub.Append, request)
        if self.after is not None:
            await self.after(request)
        return response

    async def Heads(self, request: log_pb2.HeadsRequest, context: object) -> log_pb2.HeadsResponse:
        if self.before_heads is not None:
            await self.before_heads()
        return await call(self._stub.Heads, request)

    async def Counts(self, request: log_pb2.CountsRequest, context: object) -> log_pb2.CountsResponse:
        return await call(self._stub.Counts, request)

    async def MentionCounts(
        self,
        request: log_pb2.MentionCountsRequest,
        context: object,
    ) -> log_pb2.MentionCountsResponse:
        return await call(self._stub.MentionCounts, request)

    async def Read(self, request: log_pb2.ReadRequest, context: object) -> log_pb2.ReadResponse:
        return await call(self._stub.Read, request)

    async def Changes(self, request: log_pb2.ChangesRequest, context: object) -> log_pb2.ChangesResponse:
        return await call(self._stub.Changes, request)


class Parts:
    """What a test has at hand."""

    def __init__(
        self, nats: NatsServer, bus: Bus, link: WeakLink, message_store: ServiceProcess, channel: ServiceProcess
    ) -> None:
        self.nats = nats
        self.bus = bus
        self.link = link
        self.message_store = message_store
        self.channel = channel
        self.logs: log_pb2_grpc.LogServiceAsyncStub
        self.router: LogRouter
        self.users: user_pb2_grpc.UserServiceAsyncStub
        self.channels: channel_pb2_grpc.ChannelServiceAsyncStub
        self.access: access_pb2_grpc.AccessServiceAsyncStub

    async def events(self, log_id: bytes) -> list[event_pb2.Event]:
        """All events of a log."""
        request = log_pb2.ReadRequest(
            log=log_pb2.LogKey(application_id=APPLICATION, log_id=log_id), from_seq=1, to_seq=1_000, limit=1_000
        )
        response = await call(self.logs.Read, request)
        return [event_pb2.Event.FromString(event) for event in response.events]

    async def say(self, log_id: bytes, *texts: str, sender: str = "somebody", mentions: Sequence[str] = ()) -> int:
        """Append messages to a channel's log, as a gateway does; returns the last seq."""
        key = log_pb2.LogKey(application_id=APPLICATION, log_id=log_id)
        heads = await call(self.logs.Heads, log_pb2.HeadsRequest(logs=[key]))
        items = [
            log_pb2.AppendItem(
                log=key,
                kind=log_pb2.EVENT_KIND_MESSAGE,
                sender_user_id=sender,
                client_id=f"{heads.heads[0].seq}-{index}",
                policy_version=heads.heads[0].policy_version,
                content=event_pb2.Event(
                    message=event_pb2.Message(text=text, mentioned_user_ids=mentions)
                ).SerializeToString(),
            )
            for index, text in enumerate(texts)
        ]
        response = await call(self.logs.Append, log_pb2.AppendRequest(items=items))
        assert not any(result.refusal for result in response.results)
        return response.results[-1].seq


@asynccontextmanager
async def running_parts(directory: Path, **settings: str) -> AsyncIterator[Parts]:
    """Run everything while the body runs; `settings` are those of the channel service that a test wants otherwise."""
    sockets = {name: f"unix:{directory}/{name}" for name in ("message_store", "link", "channel")}
    async with (
        nats_server() as nats,
        nats_bus(nats.address, "test", CollectorRegistry()) as bus,
        open_channel(sockets["message_store"]) as to_message_store,
        open_channel(sockets["channel"]) as to_channel,
    ):
        logs = log_pb2_grpc.LogServiceStub(to_message_store)
        access = access_pb2_grpc.AccessServiceStub(to_channel)
        link = WeakLink(logs)
        server = Services(CollectorRegistry())
        log_pb2_grpc.add_LogServiceServicer_to_server(link, server)  # type: ignore[arg-type] # it has what is used
        message_store = ServiceProcess(
            "message_store",
            sockets["message_store"],
            to_message_store,
            directory / "message_store.log",
            bus_address=nats.address,
            data_dir=directory / "message_store_data",
        )
        wanted = {"development": "true", "sweep_seconds": "0.2", **settings}
        channel = ServiceProcess(
            "channel",
            sockets["channel"],
            to_channel,
            directory / "channel.log",
            bus_address=nats.address,
            message_store=sockets["link"],
            database=directory / "channel.sqlite",
            **wanted,
        )
        parts = Parts(nats, bus, link, message_store, channel)
        parts.logs, parts.access = logs, access
        parts.router = LogRouter(Owners([to_message_store]))
        parts.users = user_pb2_grpc.UserServiceStub(to_channel)
        parts.channels = channel_pb2_grpc.ChannelServiceStub(to_channel)
        async with server.served(sockets["link"], [], 0):
            try:
                await message_store.start()
                await channel.start()
                yield parts
            finally:
                await channel.kill()
                await message_store.kill()


async def refuse(_request: log_pb2.AppendRequest) -> None:
    """A fault: nothing gets through."""
    raise unavailable("the link")


def only_the(number: int, fault: Fault) -> Fault:
    """A fault that strikes the `number`th append, from 1, and no other."""
    count = 0

    async def strike(request: log_pb2.AppendRequest) -> None:
        nonlocal count
        count += 1
        if count == number:
            await fault(request)

    return strike


def once_on(log_id: bytes, fault: Fault) -> Fault:
    """A fault that strikes the first append to a log, and no other."""
    struck = False

    async def strike(request: log_pb2.AppendRequest) -> None:
        nonlocal struck
        if not struck and any(item.log.log_id == log_id for item in request.items):
            struck = True
            await fault(request)

    return strike


def reason(error: TertuliaError) -> str:
    """The name of the reason, and the code that goes with it."""
    return f"{error.code.name} {error_pb2.ErrorReason.Name(error.reason).removeprefix('ERROR_REASON_')}"
