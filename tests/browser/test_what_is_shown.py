"""Hostile text, screen readers, small screens and other languages, on the real stack."""

import pytest
import tertulia
from playwright.async_api import Dialog
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.browser.people import People
from tests.browser.scrolling import STEP_PX, fill, scroll
from tests.support.stack import ServeStack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), pytest.mark.xdist_group("browser")]

_SERVER = Secret.parse(DEVELOPMENT_SECRET).server_token()
_PHONE = (390, 760)
_LONG = 1_200  # messages: more than the client holds
_FORTH = 1_050  # of them: into those that were dropped meanwhile
_MOST_MESSAGES = 160  # in the document: 5,000 px of the shortest
_MOST_ELEMENTS = 4_000
_FIRST_LOAD_BYTES = 200_000  # as they come: compressed
_LOADED = """["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type))
  .filter(({ name }) => !name.includes("/tertulia."))
  .map(({ name, encodedBodySize }) => [name, encodedBodySize])"""
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<script>alert(1)</script>",
    '"><iframe srcdoc="<script>alert(1)</script>">',
    "javascript:alert(1)",
    'https://a.example/"onmouseover=alert(1)//',
    "https://bank.example@evil.example/",
    "[x](javascript:alert(1))",
    "{{constructor.constructor('alert(1)')()}}",
    "\u202egnp.exe\u2066",
    "https://img.example/x.png?<img src=x onerror=alert(1)>",
)


async def test_hostile_text_is_shown_as_text_wherever_it_stands(stack: ServeStack, people: People) -> None:
    async with tertulia.connect(stack.address, token=_SERVER) as server:
        await server.users.ensure(["alice"])
        await server.users.set("mallory", name=HOSTILE[0], avatar_url='https://evil.example/x.png?"onerror=alert(1)')
        mallory = server.acting_for("mallory")
        await mallory.channels.create_group(["alice"], name=HOSTILE[1], channel_id="hostile")
        for text in HOSTILE:
            await mallory.send("hostile", text)
        await mallory.send("hostile", "", custom_type=HOSTILE[2], custom_data=HOSTILE[3])
    alice = await people.join("alice")
    opened: list[str] = []

    async def note(dialog: Dialog) -> None:
        opened.append(dialog.message)
        await dialog.dismiss()

    alice.page.on("dialog", note)
    await alice.open(HOSTILE[1])
    for text in HOSTILE:
        await alice.sees(text)
    assert await alice.page.locator(".custom").inner_text() == HOSTILE[2]
    assert await alice.page.locator(".chat-head h2").inner_text() == HOSTILE[1]
    assert await alice.page.locator(".author").first.inner_text() == HOSTILE[0]
    assert await alice.page.locator(".chat img, .chat iframe, .chat script, .chat svg[onload]").count() == 0
    links = await alice.page.locator(".chat a").evaluate_all("all => all.map(({ href, rel }) => [href, rel])")
    assert links, "no link was found at all"
    for href, rel in links:
        assert href.startswith("https://"), href
        assert "@" not in href, "the link hides where it leads"
        assert "noopener" in rel
    assert not opened, "text ran as a program"


async def test_the_first_load_is_small_and_comes_from_the_door_alone(stack: ServeStack, people: People) -> None:
    alice = await people.join("alice")
    loaded = await alice.page.evaluate(_LOADED)
    assert len(loaded) > 1
    assert all(address.startswith(stack.web) for address, _ in loaded), loaded
    assert sum(size for _, size in loaded) <= _FIRST_LOAD_BYTES, loaded


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_axe_finds_nothing_serious(stack: ServeStack, people: People, dark: bool) -> None:
    async with tertulia.connect(stack.address, token=_SERVER) as server:
        await server.users.ensure(["alice", "bob"])
        alice = server.acting_for("alice")
        await alice.channels.create_group(["bob"], name="Reading aloud", channel_id="axe")
        first = await alice.send("axe", "hello, see https://a.example")
        await server.acting_for("bob").send("axe", "hello back", reply_to=first.seq)
    person = await people.join("alice", dark=dark)
    await person.page.locator(".row-main", has_text="Reading aloud").wait_for()
    assert await person.serious_findings() == []
    await person.open("Reading aloud")
    message = await person.sees("hello back")
    assert await person.serious_findings() == []
    await message.hover()
    await message.locator("[aria-haspopup=menu]").click()
    assert await person.serious_findings() == []
    await person.page.keyboard.press("Escape")
    await person.page.get_by_role("button", name="Details").click()
    await person.page.locator(".members .person").first.wait_for()
    assert await person.serious_findings() == []
    await person.page.get_by_role("button", name="New chat").click()
    assert await person.serious_findings() == []


async def test_a_phone_shows_the_list_or_the_conversation_in_the_language_of_the_person(
    stack: ServeStack, people: People
) -> None:
    async with tertulia.connect(stack.address, token=_SERVER) as server:
        await server.users.ensure(["alice", "bob"])
        await server.acting_for("bob").channels.create_group(["alice"], name="Plaza", channel_id="phone")
        await server.acting_for("bob").send("phone", "hola")
    alice = await people.join("alice", size=_PHONE, language="es-ES")
    await alice.page.locator(".row-main", has_text="Plaza").click()
    await alice.page.get_by_role("textbox", name="Mensaje para Plaza").wait_for()
    assert not await alice.page.locator(".side").is_visible()
    width = await alice.page.evaluate("document.documentElement.scrollWidth")
    assert width <= _PHONE[0], "the page is wider than the screen"
    await alice.page.get_by_role("button", name="Atrás").click()
    await alice.page.locator(".row-main", has_text="Plaza").wait_for()


async def test_a_long_channel_is_scrolled_back_and_forth_without_a_hole_a_jump_or_a_large_document(
    stack: ServeStack, people: People
) -> None:
    last = await fill(stack, "long", _LONG)
    first = last - _LONG + 1
    alice = await people.join("alice")
    await alice.open("long")
    await alice.sees(f"number {_LONG} ")
    back = await scroll(alice.page, first, -STEP_PX)
    assert back.seqs == list(range(last, first - 1, -1)), "a message was not shown"
    forth = await scroll(alice.page, first + _FORTH, STEP_PX)
    assert forth.seqs == list(range(first, forth.seqs[-1] + 1)), "a message was not shown"
    for scrolled in (back, forth):
        assert not scrolled.jumps
        assert scrolled.messages <= _MOST_MESSAGES
        assert scrolled.elements <= _MOST_ELEMENTS
    await alice.page.get_by_role("button", name="Jump to the latest").click()
    await alice.sees(f"number {_LONG} ")
