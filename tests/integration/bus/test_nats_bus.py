"""The bus on a real NATS: what it promises while all is well, and that it never waits for a server that is away or frozen."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from libs.bus import Bus
from libs.bus.nats import nats_bus
from libs.bus.port import MAX_PAYLOAD_BYTES, BusUnavailable
from libs.bus.subjects import HEADS, REVOCATIONS, log_subject, presence_subject
from libs.rpc.certificates import Certificates
from libs.runtime.errors import CannotStart
from tests.support.authority import Authority
from tests.support.nats import NatsServer, any_nats, nats_server
from tests.support.ports import until

SUBJECT = f"tertulia.test.{secrets.token_hex(4)}"
LARGE = bytes(MAX_PAYLOAD_BYTES)
MORE_THAN_SOCKETS_TAKE = 10  # of `LARGE`: the rest waits in this process


@pytest.fixture
async def nats() -> AsyncIterator[NatsServer]:
    async with nats_server() as server:
        yield server


@asynccontextmanager
async def bus_at(address: str) -> AsyncIterator[Bus]:
    async with nats_bus(address, "test", CollectorRegistry()) as bus:
        yield bus


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    """On a server that the test does not break."""
    async with any_nats() as address, bus_at(address) as bus:
        yield bus


@pytest.fixture
async def bus_of_it(nats: NatsServer) -> AsyncIterator[Bus]:
    async with bus_at(nats.address) as bus:
        yield bus


class DeadNetwork:
    """A way to a server on which what is on its way can stop for ever, while new connections go through."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connections: dict[asyncio.Event, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def address(self) -> AsyncIterator[str]:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            flowing = asyncio.Event()
            flowing.set()
            self._connections[flowing] = asyncio.create_task(self._pass_on(reader, writer, flowing))

        async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
            yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for flowing in self._connections:
                flowing.set()
            await asyncio.gather(*self._connections.values())

    def cut(self) -> None:
        for flowing in self._connections:
            flowing.clear()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(_pump(reader, back, flowing), _pump(there, writer, flowing))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, flowing: asyncio.Event) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            await flowing.wait()
            sink.write(data)
            await sink.drain()
    sink.close()
    with suppress(OSError):
        await sink.wait_closed()


async def test_a_subscriber_hears_everything_published_after_a_flush_in_order(bus: Bus) -> None:
    heard: list[bytes] = []
    subscription = await bus.subscribe(SUBJECT, heard.append)
    await bus.flush()
    sent = [str(number).encode() for number in range(1_000)]
    for payload in sent:
        await bus.publish(SUBJECT, payload)
    await until(lambda: len(heard) == len(sent), "everything is heard")
    assert heard == sent
    await subscription.cancel()
    await subscription.cancel()
    await bus.publish(SUBJECT, b"nobody listens")
    await bus.flush()
    assert heard == sent


async def test_a_payload_that_is_too_large_is_refused(bus: Bus) -> None:
    with pytest.raises(ValueError, match="split it"):
        await bus.publish(SUBJECT, LARGE + b"x")


@pytest.mark.parametrize("address", ["unix:/run/nats.sock", "127.0.0.1:4222", "nats://host:port"])
async def test_an_address_that_is_none_is_said_to_be_so(address: str) -> None:
    with pytest.raises(CannotStart, match="bus_address"):
        async with asyncio.timeout(10), bus_at(address):
            pass


async def test_a_server_that_is_down_at_first_is_waited_for(nats: NatsServer) -> None:
    await nats.kill()

    async def use() -> None:
        async with bus_at(nats.address) as bus:
            await bus.flush()

    using = asyncio.create_task(use())
    done, _ = await asyncio.wait([using], timeout=0.5)
    assert not done, "it neither fails nor goes on without a server"
    await nats.start()
    async with asyncio.timeout(10):
        await using


async def test_whenever_it_is_given_up_while_it_is_tried_again_it_ends() -> None:
    """wait_for of Python 3.11 may lose a cancellation, and nats-py never stops trying."""
    greeted = asyncio.Event()

    def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        writer.write(b"INFO {}\r\n")
        writer.transport.abort()
        greeted.set()

    async def use() -> None:
        async with bus_at(address):
            raise AssertionError("it is connected")

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        address = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for turns in range(20):  # of the loop: what it has come to by then is another each time
            using = asyncio.create_task(use())
            await greeted.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            using.cancel()
            done, _ = await asyncio.wait([using], timeout=5)
            assert done, f"it goes on after {turns} turns"
            greeted.clear()


async def test_after_an_outage_it_is_back_with_its_subscriptions_and_says_that_payloads_may_be_lost(
    nats: NatsServer, bus_of_it: Bus
) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    disturbed = asyncio.Event()
    bus_of_it.on_disturbance(disturbed.set)
    await bus_of_it.subscribe(SUBJECT, heard.put_nowait)
    await bus_of_it.flush()
    await nats.kill()

    async def noticed() -> bool:
        try:
            await bus_of_it.flush()
        except BusUnavailable:
            return True
        return False

    await until(noticed, "the outage is noticed")
    for _ in range(MORE_THAN_SOCKETS_TAKE):  # beyond what is kept they are dropped, and nobody waits
        async with asyncio.timeout(1):
            await bus_of_it.publish(SUBJECT + ".other", LARGE)
    await nats.start()
    async with asyncio.timeout(10):
        await disturbed.wait()
        await bus_of_it.flush()
        await bus_of_it.publish(SUBJECT, b"back")
        assert await heard.get() == b"back"


async def test_a_connection_that_takes_nothing_any_more_is_replaced(nats: NatsServer) -> None:
    network = DeadNetwork(nats.port)
    disturbed = asyncio.Event()
    async with network.address() as address, bus_at(address) as bus:
        bus.on_disturbance(disturbed.set)
        await bus.flush()
        network.cut()
        for _ in range(MORE_THAN_SOCKETS_TAKE):
            await bus.publish(SUBJECT, LARGE)
        async with asyncio.timeout(30):  # pings must stay unanswered for some seconds
            await disturbed.wait()
            await bus.flush()


async def test_a_frozen_server_keeps_nobody_from_stopping(nats: NatsServer) -> None:
    async with asyncio.timeout(10):
        async with bus_at(nats.address) as bus:
            await bus.flush()
            await nats.freeze()
            for _ in range(MORE_THAN_SOCKETS_TAKE):
                await bus.publish(SUBJECT, LARGE)


async def test_a_service_may_do_what_it_does_on_nats_and_nothing_else(tmp_path: Path) -> None:
    heard: list[bytes] = []
    async with nats_server(permissions=tmp_path) as server, bus_at(server.address_for("gateway")) as gateway:
        subjects = (HEADS, REVOCATIONS, log_subject(b"log"), presence_subject("shop", "alice"))
        for subject in subjects:
            await gateway.subscribe(subject, heard.append)
        await gateway.flush()
        for service in ("gateway", "message_store", "channel", "presence"):
            async with bus_at(server.address_for(service)) as bus:
                for subject in subjects:
                    await bus.publish(subject, f"{service} on {subject.split('.')[1]}".encode())
                await bus.flush()
        await gateway.flush()
    assert sorted(payload.decode() for payload in heard) == [
        "channel on log",
        "channel on presence",
        "channel on revocations",
        "message_store on heads",
        "message_store on log",
        "presence on log",
        "presence on presence",
    ]


async def test_over_tls_both_show_certificates_and_nothing_is_said_to_a_server_without(tmp_path: Path) -> None:
    authority = Authority()
    tls = authority.issue(tmp_path / "nats", "localhost")
    own = Certificates(*authority.issue(tmp_path / "own", "gateway").values())
    foreign = Certificates(*Authority().issue(tmp_path / "foreign", "gateway").values())
    async with nats_server(permissions=tmp_path, tls=tls) as server, nats_server() as in_the_open:
        address = server.address_for("gateway")
        async with nats_bus(address, "test", CollectorRegistry(), own) as bus:
            await bus.flush()
        plain = in_the_open.address.replace("nats://127.0.0.1", "tls://localhost")
        for there, shown in ((address, foreign), (address, None), (plain, own)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1), nats_bus(there, "test", CollectorRegistry(), shown):
                    raise AssertionError("it is connected")


async def test_who_is_not_believed_at_first_is_connected_once_it_has_the_right_certificate(tmp_path: Path) -> None:
    authority = Authority()
    shown = Certificates(*Authority().issue(tmp_path / "own", "gateway").values())
    tls = authority.issue(tmp_path / "nats", "localhost")
    async with nats_server(permissions=tmp_path, tls=tls) as server, asyncio.timeout(20):

        async def connected() -> None:
            async with nats_bus(server.address_for("gateway"), "test", CollectorRegistry(), shown) as bus:
                await bus.flush()

        connecting = asyncio.create_task(connected())
        done, _ = await asyncio.wait([connecting], timeout=1)
        assert not done, "it was not to be believed"
        authority.issue(tmp_path / "own", "gateway")
        await connecting


async def test_servers_that_are_named_before_tls_are_not_connected_to(tmp_path: Path) -> None:
    """Whoever is in between could name one that has a certificate of the authority, too."""
    own = Certificates(*Authority().issue(tmp_path / "own", "gateway").values())
    named: list[int] = []
    greeted = 0

    def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        named.append(greeted)
        writer.close()

    async with await asyncio.start_server(elsewhere, "127.0.0.1", 0) as other:
        info = {"tls_required": True, "connect_urls": [f"localhost:{other.sockets[0].getsockname()[1]}"]}

        def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal greeted
            del reader
            greeted += 1
            writer.write(f"INFO {json.dumps(info)}\r\n".encode())
            writer.close()

        async with await asyncio.start_server(between, "127.0.0.1", 0) as server, asyncio.TaskGroup() as tasks:

            async def connect() -> None:
                address = f"tls://gateway:password@localhost:{server.sockets[0].getsockname()[1]}"
                async with nats_bus(address, "test", CollectorRegistry(), own):
                    raise AssertionError("it is connected")

            connecting = tasks.create_task(connect())
            await until(lambda: greeted > 3, "it tries again")
            connecting.cancel()
    assert not named
