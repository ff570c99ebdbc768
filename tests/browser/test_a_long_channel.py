"""Ten thousand messages, scrolled in Chromium on the real stack."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import tertulia
from playwright.async_api import Browser
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.browser.people import People, Person
from tests.browser.scrolling import fling, race_to
from tests.support.stack import ServeStack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300), pytest.mark.xdist_group("browser")]

_SECRET = Secret.parse(DEVELOPMENT_SECRET)
_LONG = 10_000  # messages
_AT_ONCE = 500
_MOST_IN_DOCUMENT = 120  # messages; a screen of 800 px shows about 20
_MOST_ELEMENTS = 4_000
_LONG_TASK_MS = 50.0  # as the W3C has it: what takes longer is felt


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def long_channel(stack: ServeStack) -> None:
    async with tertulia.connect(stack.address, token=_SECRET.server_token()) as server:
        bob = server.acting_for("bob")
        await server.users.ensure(["alice", "bob"])
        await bob.channels.create_group(["alice"], name="long", channel_id="long")
        numbers = iter(range(1, _LONG + 1))
        while batch := list(itertools.islice(numbers, _AT_ONCE)):
            said = [bob.send("long", f"number {number} {'and so on ' * (number % 13)}") for number in batch]
            sent = await asyncio.gather(*said)
    async with tertulia.connect(stack.address, token=_SECRET.user_token("alice")) as device:
        device.mark_read("long", sent[-1].seq)


@pytest_asyncio.fixture(loop_scope="module")
async def alice(long_channel: None, people: People) -> AsyncIterator[Person]:  # noqa: ARG001 - it is there
    """Who sees the newest message."""
    alice = await people.join("alice")
    await alice.open("long")
    await alice.sees(f"number {_LONG} ")
    yield alice


async def test_it_is_scrolled_without_a_hole_and_with_few_messages_in_the_document(alice: Person) -> None:
    await alice.page.locator(".scroller").hover()
    lowest = _LONG
    for _ in range(80):
        await alice.page.mouse.wheel(0, -1_200)
        await alice.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        shown = [int(re.match(r"number (\d+)", text)[1]) for text in await alice.texts()]  # type: ignore[index]
        assert shown == list(range(shown[0], shown[0] + len(shown))), "the messages in the document have a hole"
        assert len(shown) <= _MOST_IN_DOCUMENT
        assert shown[0] <= lowest, "the list jumped"
        lowest = shown[0]
    assert lowest < _LONG - 500, "scrolling back does not come far"
    await alice.page.get_by_role("button", name="Jump to the latest").click()
    await alice.sees(f"number {_LONG} ")


async def test_scrolling_back_to_the_first_message_keeps_the_page_responsive(browser: Browser, alice: Person) -> None:
    cost = await fling(browser, alice.page)
    print(cost)
    assert max(cost.tasks_ms) <= _LONG_TASK_MS, cost
    assert cost.elements <= _MOST_ELEMENTS, cost
    assert await race_to(alice.page, "number 1 "), "the first message is not reached"
