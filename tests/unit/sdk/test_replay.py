"""Playing a conversation anew: what is said when by whom, and what is made of what clients were shown."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
import tertulia
from tertulia.chat.v1 import session_pb2
from tertulia.replaying import player
from tertulia.replaying.latency import Latencies
from tertulia.replaying.script import Part, Script, cast, read

from tests.unit.sdk.conftest import Connect
from tests.unit.sdk.fake_gateway import FakeGateway

MINUTE_MS = 60_000


async def messages(*said: tuple[int, str, str]) -> AsyncIterator[tertulia.Message]:
    """Messages at minutes, by authors; a text that begins with > answers the first message."""
    for seq, (minute, author, text) in enumerate(said, start=1):
        yield tertulia.Message(
            channel_id="past",
            seq=seq,
            time_ms=minute * MINUTE_MS + 1,
            author=author,
            text=text,
            reply_to=1 if text.startswith(">") else 0,
            mentions=(),
            custom_type="",
            custom_data="",
            message_count=seq,
            client_message_id="",
            imported=True,
            deleted=text == "(deleted)",
        )


async def script_of(*said: tuple[int, str, str]) -> Script:
    return await read(messages(*said), lambda _seq: None)


async def test_a_line_waits_for_all_lines_of_earlier_minutes_and_for_the_one_that_it_answers() -> None:
    script = await script_of(
        (1, "ann", "who?"), (1, "ben", ">me"), (2, "ann", "(deleted)"), (2, "ann", "good"), (1, "cid", "late clock")
    )
    assert [(line.author, line.before, line.reply_to) for line in script.lines] == [
        ("ann", 0, None),
        ("ben", 0, 0),
        ("ann", 2, None),
        ("cid", 2, None),
    ]
    assert script.deleted == 1


async def test_those_who_say_most_have_clients_of_their_own_and_the_others_are_dealt_to_these() -> None:
    script = await script_of(
        (1, "cid", "1"),
        (2, "ann", "2"),
        (3, "ben", "3"),
        (4, "ann", "4"),
        (5, "dot", "5"),
        (6, "ben", "6"),
        (7, "", "7"),
    )
    assert [(part.user_id, [line.text for line in part.lines]) for part in cast(script, 2)] == [
        ("ann", ["2", "4", "5", "7"]),
        ("ben", ["1", "3", "6"]),
    ]
    assert sorted(line.number for part in cast(script, 2) for line in part.lines) == list(range(7))
    assert cast(script, 6)[-2:] == [Part("listener-1", []), Part("listener-2", [])]


async def test_a_replay_keeps_the_order_of_the_original_across_minutes_and_of_every_author(
    gateway: FakeGateway, as_server: Connect, as_user: Connect
) -> None:
    said = [(n // 5, f"user{n * 7 % 11}", f"{'>' if n % 6 == 5 else ''}line {n}") for n in range(150)]
    result = await _replayed(gateway, as_server, as_user, await script_of(*said), clients=6)
    assert result.differences == []
    assert (result.lines, result.clients, result.deliveries) == (150, 6, 900)
    assert (result.shown.count, result.acknowledged.count) == (900, 150)
    events = gateway.logs["again"].events
    order = [int(event.message.text.removeprefix(">").removeprefix("line ")) for event in events]
    assert [n // 5 for n in order] == sorted(n // 5 for n in order), "minute by minute"
    for author in {event.sender_user_id for event in events}:
        own = [n for n, event in zip(order, events, strict=True) if event.sender_user_id == author]
        assert own == sorted(own), f"the lines of {author}"
    assert [event.sender_user_id for event in events] == [said[n][1] for n in order]
    answered = next(event.seq for event in events if event.message.text == "line 0")
    assert {event.message.reply_to_seq for event in events if event.message.text.startswith(">")} == {answered}


async def test_what_a_client_was_not_shown_is_told(
    gateway: FakeGateway, as_server: Connect, as_user: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player, "LAST_SECONDS", 0.5)
    script = await script_of((1, "ann", "1"), (1, "ben", "2"), (1, "ann", "3"))

    def swallow(frame: session_pb2.ServerFrame) -> list[session_pb2.ServerFrame]:
        """The last line reaches nobody, and nothing tells of it: an event is missing from its range."""
        for part in frame.slices:
            kept = [event for event in part.events if event.message.text != "3"]
            del part.events[:]
            part.events.extend(kept)
        return [frame]

    gateway.mangle = swallow
    result = await _replayed(gateway, as_server, as_user, script, clients=2)
    assert len(result.differences) == 2
    for name, difference in zip(("ann", "ben"), result.differences, strict=True):
        assert difference.startswith(f"{name} was shown 2 of 3 lines")


async def test_a_client_that_lags_behind_what_was_acknowledged_ends_the_replay_with_an_error(
    gateway: FakeGateway, as_server: Connect, as_user: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player, "LAST_SECONDS", 0.5)
    script = await script_of((1, "ann", "1"), (2, "ben", "2"))

    def swallow(frame: session_pb2.ServerFrame) -> list[session_pb2.ServerFrame]:
        for part in frame.slices:
            del part.events[:]
        return [frame]

    gateway.mangle = swallow
    with pytest.raises(player.ReplayStalled, match="ben was shown 0 of 1 lines"):
        await _replayed(gateway, as_server, as_user, script, clients=2)


async def test_a_broken_connection_in_the_middle_changes_nothing(
    gateway: FakeGateway, as_server: Connect, as_user: Connect
) -> None:
    script = await script_of(*((n // 3, f"user{n % 4}", f"line {n}") for n in range(60)))
    cuts = iter([20, 40])
    cut_at = next(cuts)

    def cut(_send: session_pb2.Send) -> None:
        nonlocal cut_at
        if gateway.logs["again"].head >= cut_at:
            cut_at = next(cuts, 1_000_000)
            gateway.cut()

    gateway.on_send = cut
    result = await _replayed(gateway, as_server, as_user, script, clients=3)
    assert (result.differences, result.deliveries) == ([], 180)
    assert result.reconnects >= 3


def test_percentiles_are_told_within_one_percent() -> None:
    latencies = Latencies()
    for milliseconds in range(1, 1_001):
        latencies.add(milliseconds / 1000)
    assert latencies.percentile(0.5) == pytest.approx(0.5, rel=0.011)
    assert latencies.percentile(0.99) == pytest.approx(0.99, rel=0.011)
    assert latencies.milliseconds()["max"] == 1000.0
    assert Latencies().milliseconds()["p50"] == 0.0


async def _replayed(
    gateway: FakeGateway, as_server: Connect, as_user: Connect, script: Script, clients: int
) -> player.Result:
    people = [part.user_id for part in cast(script, clients)]
    gateway.channel("again", *people, *script.authors())

    def open_client(user_id: str) -> AbstractAsyncContextManager[tertulia.Client]:
        return as_user(user_id)

    async with as_server() as server:
        return await player.Player(server, open_client, "again", lambda _shown: None).play(script, clients, None)
