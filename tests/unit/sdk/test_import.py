"""An import into a channel: order, times, each line once."""

import json
from pathlib import Path

import grpc
import pytest
from tertulia.chat.v1 import error_pb2, session_pb2
from tertulia.importing.importer import Importer, OrderBroken, Tally
from tertulia.importing.source import Format, Source

from tests.unit.sdk.conftest import Connect
from tests.unit.sdk.fake_gateway import FakeGateway
from tests.unit.sdk.fake_log import LoseAnswer, Refusal

LINES = [f"[{n // 60:02}:{n % 60:02}] <nick{n % 150}> line {n % 7}" for n in range(700)]


def log(directory: Path, lines: list[str], name: str = "2016-12-19.txt") -> Source:
    path = directory / name
    path.write_text("\n".join(lines) + "\n")
    return Source(path, Format.IRC, "club")


async def run_import(as_server: Connect, *sources: Source, concurrency: int = 100) -> Tally:
    total = Tally()
    async with as_server() as client:
        importer = Importer(client, "club", creator="", concurrency=concurrency)
        records = [line.record for source in sources for line in source.lines()]
        await importer.prepare([record.author for record in records if hasattr(record, "author")], lambda _read: None)
        for source in sources:
            total.add(await importer.send(source, lambda *_: None, lambda: None))
    return total


async def test_messages_are_appended_in_the_order_of_the_file_by_their_authors_at_their_times(
    gateway: FakeGateway, as_server: Connect, tmp_path: Path
) -> None:
    tally = await run_import(as_server, log(tmp_path, LINES))
    events = gateway.logs["club"].events
    assert [event.message.text for event in events] == [line.split("> ")[1] for line in LINES]
    assert [event.sender_user_id for event in events] == [f"nick{n % 150}" for n in range(700)]
    assert events[61].message.original_time_ms == 1_482_109_260_000
    assert gateway.users["nick3"].name == "nick3"
    assert (tally.lines, tally.messages, tally.sent, tally.already_there) == (700, 700, 700, 0)


async def test_imported_again_nothing_is_doubled_and_what_is_new_is_added(
    gateway: FakeGateway, as_server: Connect, tmp_path: Path
) -> None:
    await run_import(as_server, log(tmp_path, LINES))
    again = await run_import(as_server, log(tmp_path, LINES))
    assert (again.sent, again.already_there, gateway.logs["club"].head) == (0, 700, 700)
    longer = await run_import(as_server, log(tmp_path, [*LINES, LINES[-1]]))
    assert (longer.sent, longer.already_there, gateway.logs["club"].head) == (1, 700, 701)


async def test_a_name_that_a_user_has_is_left_alone(gateway: FakeGateway, as_server: Connect, tmp_path: Path) -> None:
    async with as_server() as client:
        await client.users.set("nick1", name="The First")
    await run_import(as_server, log(tmp_path, LINES[:5]))
    assert (gateway.users["nick1"].name, gateway.users["nick2"].name) == ("The First", "nick2")


@pytest.mark.parametrize("concurrency", [1, 100])
async def test_replies_and_mentions_are_taken_over_also_by_an_import_that_goes_on_where_one_was_broken_off(
    gateway: FakeGateway, as_server: Connect, tmp_path: Path, concurrency: int
) -> None:
    lines = [
        {"seq": 7, "author": "ann", "time": 1, "text": "who?"},
        {"seq": 9, "author": "ben", "time": 2, "text": "me", "reply_to": 7, "mentions": ["ann"]},
        {"seq": 12, "author": "ann", "time": 3, "text": "to nothing that is here", "reply_to": 3},
        {"seq": 13, "author": "ann", "time": 4, "text": "thanks", "reply_to": 9},
    ]
    path = tmp_path / "talk.jsonl"
    gateway.channel("club", "zoe")
    gateway.say("club", "there before")
    for count in (1, 3, 4):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines[:count]))
        await run_import(as_server, Source(path, Format.JSONL, "club"), concurrency=concurrency)
    messages = [(event.message.text, event.message.reply_to_seq) for event in gateway.logs["club"].events[1:]]
    assert messages == [("who?", 0), ("me", 2), ("to nothing that is here", 0), ("thanks", 3)]
    assert list(gateway.logs["club"].events[2].message.mentioned_user_ids) == ["ann"]


async def test_order_survives_lost_answers_and_refusals_for_the_moment(
    gateway: FakeGateway, as_server: Connect, tmp_path: Path
) -> None:
    count = 0
    refused_frame: session_pb2.ClientFrame | None = None

    def trouble(_send: session_pb2.Send) -> None:
        """What a gateway does when it is full: from some message on it takes no more of a frame."""
        nonlocal count, refused_frame
        count += 1
        if count in (50, 333):
            raise LoseAnswer
        if count in (120, 139, 500, 501, 640):
            refused_frame = gateway.frames[-1]
        if refused_frame is gateway.frames[-1]:
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, error_pb2.ERROR_REASON_OVERLOADED)

    gateway.on_send = trouble
    tally = await run_import(as_server, log(tmp_path, LINES), concurrency=20)
    assert [event.message.text for event in gateway.logs["club"].events] == [line.split("> ")[1] for line in LINES]
    assert tally.sent == 700


async def test_every_send_carries_the_head_that_was_seen_before_the_ids_were_read(
    gateway: FakeGateway, as_server: Connect, tmp_path: Path
) -> None:
    await run_import(as_server, log(tmp_path, LINES[:10]))
    gateway.frames.clear()
    await run_import(as_server, log(tmp_path, LINES[:12]))
    assert [send.after_seq for send in gateway.sends()] == [10, 10]


async def test_an_order_that_was_not_kept_is_an_error(gateway: FakeGateway, as_server: Connect, tmp_path: Path) -> None:
    """Somebody else appends the third line while the first two are under way."""
    source = log(tmp_path, LINES[:3])
    third = list(source.lines())[2]

    def meddle(send: session_pb2.Send) -> None:
        if send.message.text == "line 0":
            gateway.say("club", "line 2", by="nick2", client_id=third.message_id)

    gateway.on_send = meddle
    with pytest.raises(OrderBroken):
        await run_import(as_server, source)
