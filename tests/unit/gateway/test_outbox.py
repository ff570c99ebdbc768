"""What waits is one write, in order, and bounded."""

import asyncio

import pytest

from services.gateway.outbox import MAX_WRITE_BYTES, Outbox


class SlowWire:
    """Takes a write when it is told to."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.began = asyncio.Event()
        self._go = asyncio.Semaphore(0)

    async def write(self, data: bytes) -> None:
        self.began.set()
        await self._go.acquire()
        self.began.clear()
        self.written.append(data)

    def take(self, count: int = 1) -> None:
        for _ in range(count):
            self._go.release()


async def test_what_comes_during_a_write_is_joined_into_the_next_one() -> None:
    outbox, wire = Outbox(1_000), SlowWire()
    writer = asyncio.create_task(outbox.run(wire.write))
    outbox.push(b"first")
    await wire.began.wait()
    for fragment in (b"a", b"b", b"c"):
        outbox.push(fragment)
    outbox.close()
    wire.take(2)
    await writer
    assert wire.written == [b"first", b"abc"]
    assert outbox.waiting_bytes == 0


async def test_a_write_stays_below_its_size_unless_one_fragment_is_larger() -> None:
    outbox, wire = Outbox(10**9), SlowWire()
    half = b"x" * (MAX_WRITE_BYTES // 2)
    fragments = [half, half, half, b"y" * (MAX_WRITE_BYTES + 1), b"z"]
    for fragment in fragments:
        outbox.push(fragment)
    outbox.close()
    wire.take(10)
    await outbox.run(wire.write)
    assert b"".join(wire.written) == b"".join(fragments)
    assert [len(data) <= MAX_WRITE_BYTES or data == fragments[3] for data in wire.written] == [True] * len(wire.written)
    assert len(wire.written) == 4


async def test_a_queue_over_its_limit_says_so_and_loses_nothing() -> None:
    outbox, wire = Outbox(10), SlowWire()
    assert not outbox.push(b"0123456789")
    assert outbox.push(b"x")
    assert outbox.full
    outbox.close()
    wire.take(2)
    await outbox.run(wire.write)
    assert b"".join(wire.written) == b"0123456789x"


async def test_room_comes_when_half_of_the_limit_is_written() -> None:
    outbox, wire = Outbox(10), SlowWire()
    writer = asyncio.create_task(outbox.run(wire.write))
    outbox.push(b"0123456789")
    await wire.began.wait()
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    wire.take()
    await waiting
    outbox.close()
    await writer


async def test_closing_lets_go_of_those_who_wait_for_room() -> None:
    outbox = Outbox(10)
    outbox.push(b"0123456789")
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    outbox.close()
    await waiting
    assert not outbox.push(b"late")
    assert outbox.waiting_bytes == 10


async def test_a_failing_wire_ends_the_writer() -> None:
    async def broken(data: bytes) -> None:  # noqa: ARG001
        raise ConnectionError

    outbox = Outbox(10)
    outbox.push(b"x")
    with pytest.raises(ConnectionError):
        await outbox.run(broken)
