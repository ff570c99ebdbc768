"""Reading files: every line is something, and the same line is always the same."""

import os
import threading
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tertulia.importing import irc, jsonl
from tertulia.importing.records import Rejected, Said, System
from tertulia.importing.source import Format, Source, SourceInvalid

DAY = date(2016, 12, 19)
SAMPLES = Path(__file__).parents[2] / "data" / "irc"


def said(line: bytes) -> Said:
    record = irc.parse(line, DAY)
    assert isinstance(record, Said), record
    return record


def test_a_message_has_its_author_its_time_in_utc_and_its_text_as_it_stands() -> None:
    message = said(b"[07:09] <home|joe[x]> two  spaces, <tags> and trailing ")
    assert (message.author, message.text, message.action) == (
        "home|joe[x]",
        "two  spaces, <tags> and trailing ",
        False,
    )
    assert message.time_ms == 1_482_131_340_000


def test_an_action_is_a_message_of_its_own_type() -> None:
    action = said(b"[07:09]  * joe waves * at * all")
    assert (action.author, action.text, action.custom_type, action.action) == (
        "joe",
        "waves * at * all",
        "irc.action",
        True,
    )


@pytest.mark.parametrize("line", [b"=== joe [~joe@host]  has left #ubuntu []", b"===", "=== ü".encode()])
def test_system_lines_are_counted_and_not_imported(line: bytes) -> None:
    assert irc.parse(line, DAY) == System()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"[07:09] joe: hello",
        b"[7:09] <joe> hello",
        b"[07:09]<joe> hello",
        b"[07:09] <> hello",
        b"[07:09] * joe waves",
        b" [07:09] <joe> hello",
        b"[24:00] <joe> hello",
        b"[07:60] <joe> hello",
        b"[07:09] <joe>",
        b"[07:09] <joe> ",
        b"[07:09] <joe>   ",
        b"[07:09]  * joe",
        b"[07:09] <joe> nul\0 inside",
        b"[07:09] <" + b"j" * 129 + b"> hello",
        b"[07:09] <j\x01oe> hello",
        b"[07:09] <joe> " + b"x" * 10_001,
    ],
)
def test_lines_that_are_none_of_these_or_break_a_limit_are_rejected_with_a_reason(line: bytes) -> None:
    record = irc.parse(line, DAY)
    assert isinstance(record, Rejected)
    assert record.reason


def test_a_text_at_the_limit_is_imported() -> None:
    assert len(said(b"[07:09] <joe> " + "ü".encode() * 10_000).text) == 10_000


def test_a_line_that_is_not_utf8_is_read_as_latin1_and_reported() -> None:
    message = said("[07:09] <joe> señor".encode("latin-1"))
    assert message.text == "señor"
    assert "Latin-1" in message.note


@given(st.binary(max_size=200).filter(lambda line: b"\n" not in line))
def test_any_line_is_something(line: bytes) -> None:
    assert isinstance(irc.parse(line, DAY), Said | System | Rejected)
    assert isinstance(irc.parse(b"[07:09] <joe> " + line, DAY), Said | Rejected)
    assert isinstance(jsonl.parse(line), Said | Rejected)


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2016-12-19_20.raw.txt", date(2016, 12, 19)),
        ("#ubuntu-2016-12-19.log", date(2016, 12, 19)),
        ("12016-12-19.txt", None),
        ("2016-13-45.txt", None),
        ("log.txt", None),
    ],
)
def test_the_date_is_in_the_name_of_the_file(name: str, day: date | None) -> None:
    assert irc.date_of(name) == day


def test_an_irc_log_without_a_date_in_its_name_is_refused_as_a_whole() -> None:
    with pytest.raises(SourceInvalid, match=r"log\.txt"):
        Source(Path("log.txt"), Format.IRC, "c")


def test_a_day_that_is_given_takes_the_place_of_the_one_in_the_name(tmp_path: Path) -> None:
    path = tmp_path / "2016-12-19.txt"
    path.write_bytes(b"[00:01] <joe> hi\n")
    [line] = Source(path, Format.IRC, "c", date(2020, 1, 2)).lines()
    assert isinstance(line.record, Said)
    assert line.record.time_ms == 1_577_923_260_000


def test_what_comes_from_a_pipe_can_be_gone_through_again(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writing = threading.Thread(target=path.write_bytes, args=(b"[07:09] <joe> hi\n",))
    writing.start()
    source = Source(path, Format.IRC, "c", DAY)
    survey, sending = list(source.lines()), list(source.lines())
    source.close()
    writing.join()
    assert [line.number for line in survey] == [1]
    assert sending == survey


def test_every_line_of_a_real_log_is_accounted_for() -> None:
    kinds: Counter[str] = Counter()
    for path in sorted(SAMPLES.glob("*.txt")):
        for line in Source(path, Format.IRC, "c").lines():
            kinds[type(line.record).__name__] += 1
    assert kinds == {"Said": 36, "System": 17, "Rejected": 2}


def test_identical_lines_of_a_minute_are_two_messages_and_the_same_two_next_time(tmp_path: Path) -> None:
    path = tmp_path / "2016-12-19.txt"
    path.write_bytes(b"[07:09] <joe> hi\n[07:09] <joe> hi\r\n[07:10] <joe> hi\n[07:09] <joe> hi")
    ids = [line.message_id for line in Source(path, Format.IRC, "c").lines()]
    assert len(set(ids)) == 4
    assert ids == [line.message_id for line in Source(path, Format.IRC, "c").lines()]
    assert not set(ids) & {line.message_id for line in Source(path, Format.IRC, "other").lines()}


def test_lines_end_at_line_feeds_and_nowhere_else(tmp_path: Path) -> None:
    path = tmp_path / "2016-12-19.txt"
    path.write_bytes("[07:09] <joe> a\u2028b\x0bc\x85\n[07:10] <joe> d".encode())
    records = [line.record for line in Source(path, Format.IRC, "c").lines()]
    assert [record.text for record in records if isinstance(record, Said)] == ["a\u2028b\x0bc\x85", "d"]


def test_json_lines_take_what_history_prints() -> None:
    line = (
        b'{"seq": 8, "author": "vinux", "time": "2005-06-27T09:19:00.000Z", "text": "hehe", "state": "sent", '
        b'"time_ms": 1119863940000, "custom_type": "t", "custom_data": "{}", "reply_to": 7, "mentions": ["joe"], '
        b'"reactions": [{"key": "+1", "count": 1, "users": ["joe"]}]}'
    )
    message = jsonl.parse(line)
    assert isinstance(message, Said)
    assert (message.author, message.time_ms, message.text) == ("vinux", 1_119_863_940_000, "hehe")
    assert (message.custom_type, message.custom_data) == ("t", "{}")
    assert (message.seq, message.reply_to, message.mentions) == (8, 7, ("joe",))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b'{"author": "a", "text": "no time"}',
        b'{"author": "a", "text": "no offset", "time": "2005-06-27T09:19:00"}',
        b'{"author": "a", "text": "not a time", "time": true}',
        b'{"author": 1, "text": "x", "time": 1}',
        b'{"author": "a", "text": "", "time": 1}',
        b'{"author": "a", "text": "\\ud800", "time": 1}',
        b'{"author": "a", "text": "before 1970", "time": -1}',
        b'{"author": "a", "text": "x", "time": 1, "custom_data": {}}',
        b'{"author": "a", "text": "\xff", "time": 1}',
        b"[" * 100_000,
        b'{"author": "a", "text": "x", "time": 1, "mentions": "joe"}',
        b'{"author": "a", "text": "x", "time": 1, "mentions": ["joe", "joe"]}',
        b'{"author": "a", "text": "x", "time": 1, "mentions": [""]}',
        b'{"author": "a", "text": "x", "time": 1, "reply_to": "7"}',
        b'{"author": "a", "text": "", "time": 1, "deleted": true, "custom_data": "x"}',
    ],
)
def test_json_lines_that_cannot_be_imported_are_rejected_with_a_reason(line: bytes) -> None:
    assert isinstance(jsonl.parse(line), Rejected)
