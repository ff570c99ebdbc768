"""A real conversation is imported and read back."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.compare_irc import compare
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAMPLES = sorted((Path(__file__).parents[1] / "data" / "irc").glob("*.txt"))


async def imported(stack: Stack, files: Sequence[Path]) -> dict[str, object]:
    *_, total = await stack.json("import", *map(str, files), "--format", "irc", "--channel", "ubuntu", seconds=300)
    return total


async def test_history_is_what_was_imported_line_by_line_and_a_second_import_adds_nothing(stack: Stack) -> None:
    first = await imported(stack, SAMPLES)
    again = await imported(stack, SAMPLES)
    assert (again["sent"], again["already_there"]) == (0, first["sent"])
    code, out, err = await stack.run("history", "ubuntu", "--json")
    assert code == 0, err
    assert compare(SAMPLES, out.splitlines()).differences == []
