"""Doorbells and digests."""

from tertulia_internal.bus.v1 import signal_pb2

from libs.bus.port import MAX_PAYLOAD_BYTES
from libs.bus.subjects import HEADS
from libs.log_store import EMPTY_HEAD, LogKey, Seq
from services.message_store.publisher import Appended, Publisher
from tests.unit.message_store.owner import LOG, OTHER, Owner, RememberingBus, item, slice_of


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def digests(bus: RememberingBus) -> list[signal_pb2.HeadsDigest]:
    return [signal_pb2.HeadsDigest.FromString(payload) for subject, payload in bus.published if subject == HEADS]


async def test_a_flush_rings_once_for_each_log_with_a_frame_that_is_ready_to_send(owner: Owner) -> None:
    await owner.append(item("a"), item("b", text="bye"), item("c", log=OTHER))
    (bell,) = owner.bus.doorbells()
    assert (bell.from_seq, bell.to_seq, bell.control) == (1, 2, False)
    piece = slice_of(bell)
    assert (piece.log_id, piece.from_seq, piece.to_seq, piece.head_seq) == (LOG.log_id, 1, 2, 2)
    assert [(event.seq, event.client_id, event.message.text) for event in piece.events] == [
        (1, "a", "hello"),
        (2, "b", "bye"),
    ]
    assert list(piece.events) == await owner.events(), "live order and bytes are those of history"
    assert [slice_of(bell).to_seq for bell in owner.bus.doorbells(OTHER)] == [1]


async def test_a_repetition_does_not_ring(owner: Owner) -> None:
    await owner.append(item("a"))
    await owner.append(item("a"))
    assert len(owner.bus.doorbells()) == 1


async def test_a_doorbell_ends_at_a_control_event(owner: Owner) -> None:
    await owner.append(
        item("1"), item("2"), item("3", control=True), item("4", control=True), item("5"), item("6", control=True)
    )
    assert [(bell.from_seq, bell.to_seq, bell.control) for bell in owner.bus.doorbells()] == [
        (1, 3, True),
        (4, 4, True),
        (5, 6, True),
    ]
    assert all(slice_of(bell).head_seq == 6 for bell in owner.bus.doorbells())


async def test_doorbells_stay_below_the_limit_of_the_bus(owner: Owner) -> None:
    await owner.append(*(item(str(n), text="x" * 200_000) for n in range(10)))
    bells = owner.bus.doorbells()
    assert [(bell.from_seq, bell.to_seq) for bell in bells] == [(1, 4), (5, 8), (9, 10)]
    assert all(len(payload) < MAX_PAYLOAD_BYTES for _, payload in owner.bus.published)


async def test_heads_are_announced_while_they_are_recent() -> None:
    bus, clock = RememberingBus(), Clock()
    publisher = Publisher(bus, "incarnation", [3, 5], clock)
    await publisher.ring([Appended(LOG, [], EMPTY_HEAD._replace(seq=Seq(3)))])
    clock.now = 6
    await publisher.ring([Appended(OTHER, [], EMPTY_HEAD._replace(seq=Seq(1)))])
    await publisher.announce_heads()
    clock.now = 11
    await publisher.ring([Appended(OTHER, [], EMPTY_HEAD._replace(seq=Seq(2)))])
    await publisher.announce_heads()
    assert [{head.log_id: head.seq for head in digest.heads} for digest in digests(bus)] == [
        {LOG.log_id: 3, OTHER.log_id: 1},
        {OTHER.log_id: 2},
    ]


async def test_a_digest_is_published_even_when_nothing_was_written() -> None:
    bus = RememberingBus()
    await Publisher(bus, "incarnation", [3, 5]).announce_heads()
    assert digests(bus) == [signal_pb2.HeadsDigest(incarnation="incarnation", shards=[3, 5])]


async def test_very_many_heads_are_several_digests_below_the_limit_of_the_bus() -> None:
    bus = RememberingBus()
    publisher = Publisher(bus, "incarnation", [3, 5])
    logs = [LogKey("app", number.to_bytes(16)) for number in range(30_000)]
    await publisher.ring([Appended(log, [], EMPTY_HEAD._replace(seq=Seq(1 << 52))) for log in logs])
    await publisher.announce_heads()
    announced = [head.log_id for digest in digests(bus) for head in digest.heads]
    assert sorted(announced) == [log.log_id for log in logs]
    assert all(len(payload) < MAX_PAYLOAD_BYTES for _, payload in bus.published)
