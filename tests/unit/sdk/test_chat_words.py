"""What a line that was typed into a chat asks for."""

import pytest
from tertulia.cli.chat_words import LAST, Command, Delete, Edit, Line, NotUnderstood, React, Say, understood


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("hello", Say("hello")),
        ("//etc/hosts", Say("/etc/hosts")),
        ("/help", Command.HELP),
        ("/quit ", Command.QUIT),
        ("/reply 12 I think so", Say("I think so", 12)),
        ("/reply . yes", Say("yes", LAST)),
        ("/edit 12 12 monkeys", Edit(12, "12 monkeys")),
        ("/edit  .   spaced", Edit(LAST, "spaced")),
        ("/delete 7", Delete(7)),
        ("/react 7 👍", React(7, "👍")),
        ("/unreact . :tada:", React(LAST, ":tada:", removed=True)),
    ],
)
def test_a_line_is_understood(line: str, meant: Line) -> None:
    assert understood(line) == meant


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/nonsense", "there is no /nonsense"),
        ("/help me", "there is no /help"),
        ("/edit hello", "/edit needs the number"),
        ("/edit 12", "/edit needs a text"),
        ("/react 12", "/react needs an emoji"),
        ("/delete", "/delete needs the number"),
        ("/delete 12 13", "/delete needs nothing behind the number"),
        ("/delete ٣", "/delete needs the number"),
    ],
)
def test_a_line_that_is_not_understood_is_told_what_it_lacks(line: str, why: str) -> None:
    with pytest.raises(NotUnderstood, match=why):
        understood(line)
