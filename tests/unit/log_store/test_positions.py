"""Positions in the changes of a shard are written and read."""

import pytest

from libs.log_store.cassandra.dirty import Position


@pytest.mark.parametrize(
    "position", [Position(3, 17, "app", b"\0\xff"), Position(1, 1, "an-app-with-dashes", b"x" * 16)]
)
def test_a_position_is_read_as_it_was_written(position: Position) -> None:
    assert Position.parse(str(position)) == position


def test_an_empty_text_is_before_everything() -> None:
    assert Position.parse("") < Position(1, 0, "", b"")


@pytest.mark.parametrize(
    "text", ["nonsense", "1", "1-2", "1-2-zz-app", "-1-2-ff-app", "1-2--app", "9" * 19 + "-1-ff-app", "\uff11-1-ff-a"]
)
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="position"):
        Position.parse(text)
