"""What the command shows of other people's words."""

import json
import unicodedata

import pytest
import tertulia
from hypothesis import given
from hypothesis import strategies as st
from tertulia.cli.chat_state import ChatState
from tertulia.cli.console import message_json, message_text, print_json, safe


def message(text: str = "hi", author: str = "bob", seq: int = 7, custom_type: str = "") -> tertulia.Message:
    return tertulia.Message(
        channel_id="team",
        seq=seq,
        time_ms=1_119_863_940_000,
        author=author,
        text=text,
        reply_to=0,
        mentions=(),
        custom_type=custom_type,
        custom_data="",
        message_count=1,
        client_message_id="c",
        imported=True,
    )


@given(st.text())
def test_no_character_that_a_terminal_obeys_comes_through(text: str) -> None:
    shown = safe(text)
    obeyed = {c for c in shown if unicodedata.category(c) == "Cc" and c != "\n"}
    assert not obeyed
    assert not {
        c
        for c in shown
        if unicodedata.bidirectional(c) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    }


@pytest.mark.parametrize("text", ["\x1b[2J\x1b]0;title\x07", "\x9b31m", "a\rb", "\x08\x08\x08", "\u202egnp.exe"])
def test_what_was_made_harmless_stays_visible(text: str) -> None:
    assert len(safe(text)) >= len(text)


def test_a_second_line_cannot_pose_as_another_message() -> None:
    shown = message_text(message("hi\n12:00 alice  I owe you money")).plain
    assert shown.splitlines()[1].startswith("      │ ")


def test_markup_is_text() -> None:
    assert "[red]x[/red]" in message_text(message("[red]x[/red]")).plain


def test_actions_read_as_on_irc() -> None:
    assert message_text(message("waves", custom_type="irc.action")).plain.endswith("* bob waves")


def test_json_has_the_documented_members_and_no_empty_ones() -> None:
    assert message_json(message()) == {
        "seq": 7,
        "author": "bob",
        "time": "2005-06-27T09:19:00.000Z",
        "text": "hi",
        "state": "sent",
        "time_ms": 1_119_863_940_000,
        "client_message_id": "c",
        "imported": True,
    }


def test_the_line_of_state_tells_who_is_here_who_types_and_who_has_seen_it() -> None:
    state = ChatState("team", "alice")
    assert state.line() == "#team"
    state.on_event(tertulia.PresenceChanged("bob", True, 0))
    state.on_event(tertulia.PresenceChanged("carol", False, 5))
    state.on_event(tertulia.MessageReceived(message(author="alice", seq=9)))
    assert state.line() == "#team · here: bob · sent"
    state.on_event(tertulia.DeliveredChanged("team", "bob", 9))
    state.on_event(tertulia.DeliveredChanged("team", "carol", 9))
    assert state.line() == "#team · here: bob · delivered to bob, carol"
    state.on_event(tertulia.ReadChanged("team", "bob", 9))
    state.on_event(tertulia.ReadChanged("team", "bob", 4))
    state.on_event(tertulia.ReadChanged("team", "carol", 8))
    assert state.line() == "#team · here: bob · seen by bob"
    state.on_event(tertulia.TypingChanged("team", "bob", True))
    assert state.line() == "#team · here: bob · bob is typing…"
    state.on_event(tertulia.TypingChanged("elsewhere", "dave", True))
    state.on_event(tertulia.TypingChanged("team", "bob", False))
    state.on_event(tertulia.ConnectionChanged(tertulia.ConnectionState.CONNECTING, "gone"))
    assert state.line() == "#team · connecting…", "what only a server can know is not said without one"
    state.on_event(tertulia.ConnectionChanged(tertulia.ConnectionState.ONLINE))
    assert state.line() == "#team · seen by bob", "who is here is not known before the new session says so"


def test_what_is_on_its_way_is_neither_sent_nor_seen() -> None:
    state = ChatState("team", "alice")
    state.on_event(tertulia.MessageReceived(message(author="alice", seq=9)))
    state.on_sending(1, "first")
    state.on_sending(2, "second\x1b[2J")
    assert state.pending() == ["sending…  first", "sending…  second␛[2J"]
    assert state.line() == "#team"
    state.on_settled(1)
    state.on_settled(2)
    assert (state.pending(), state.line()) == ([], "#team · sent")


def test_of_many_messages_on_their_way_the_first_few_are_shown() -> None:
    state = ChatState("team", "alice")
    for n in range(7):
        state.on_sending(n, str(n))
    assert state.pending()[-2:] == ["sending…  4", "sending…  and 2 more"]


def test_names_are_shown_with_the_ids_that_nobody_can_choose() -> None:
    shown = message_text(message(), names={"bob": "alice\nadmin"}, seq=True).plain
    assert shown.startswith("    7  ")
    assert "alice (bob)  hi" in shown
    state = ChatState("team", "alice")
    state.names["bob"] = "Bob"
    state.on_event(tertulia.PresenceChanged("bob", True, 0))
    assert state.line() == "#team · here: Bob (bob)"


def test_json_lines_are_readable_in_every_script_and_hold_nothing_that_a_terminal_obeys(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    values = {"text": "ñandú 你好 \x9b31m \u202egnp.exe \x1b[2J \x7f"}
    print_json(values)
    line = capfdbinary.readouterr().out.decode()
    assert line.startswith('{"text": "ñandú 你好 ')
    assert not {c for c in line if unicodedata.category(c) in {"Cc", "Cf"} and c != "\n"}
    assert json.loads(line) == values


def test_of_a_deleted_channel_nobody_is_a_member_any_more() -> None:
    state = ChatState("team", "alice")
    state.on_event(tertulia.ChannelDeleted("team", 5, 0, "bob"))
    assert "no member any more" in state.line()
