"""Takes the pictures of docs/images: `python -m tests.browser.pictures`. The real stack, `make demo`, and people in Chromium."""

import asyncio
import base64
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import tertulia
from playwright.async_api import Browser, Page, async_playwright
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.browser.conftest import CHROMIUM
from tests.browser.people import People, Person
from tests.support.stack import ServeStack, running_stack

_IMAGES = Path("docs/images")
_FILL = "docs/demo/fill.sh"
_SECRET = Secret.parse(DEVELOPMENT_SECRET)
_PHONE = (390, 844)
_SCALE = 2  # pixels for one of CSS: for screens that have them
_QUALITY = 80  # of WebP: half of what PNG takes, and no letter shows it
_SHOP = """<!doctype html><html lang="en"><title>Shop</title><style>
:root { --tertulia-accent: #0a7d5a } body { margin: 0; font: 16px Inter, system-ui, sans-serif; background: #faf8f4; color: #222 }
header { display: flex; gap: 32px; padding: 20px 48px; background: #fff; border-bottom: 1px solid #e8e4da } b { color: #0a7d5a }
main { display: grid; grid-template-columns: repeat(3, 220px); gap: 28px; padding: 48px }
article { background: #fff; border-radius: 14px; padding: 16px; box-shadow: 0 1px 4px #0001 }
i { display: block; height: 150px; border-radius: 10px; margin-bottom: 12px } p { margin: 4px 0; color: #777 }
</style><header><b>Casa Verde</b><span>Plants</span><span>Pots</span><span>Care</span></header><main>
<article><i style="background: #cfe6d4"></i>Monstera<p>34 €</p></article>
<article><i style="background: #e6dccf"></i>Olive tree<p>58 €</p></article>
<article><i style="background: #d8e0ee"></i>Fern<p>16 €</p></article>
<article><i style="background: #eedfe4"></i>Orchid<p>27 €</p></article></main>
<script src="/widget.js" data-user="alice" data-token="TOKEN" defer></script></html>"""


async def main() -> None:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="tertulia-pictures-"))
        servers = await stack.enter_async_context(running_stack(Path(folder) / "data"))
        filling = await asyncio.create_subprocess_exec(_FILL, env=servers.environment())
        assert await filling.wait() == 0
        await _talk(servers)
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        people = People(servers, browser)
        bob, eva = await people.join("bob"), await people.join("eva")
        await bob.open("Design team")
        await eva.open("Design team")
        await _desktops(people, bob)
        await _phone(people, bob)
        await _widget(servers, browser)
        await people.leave()
        await browser.close()


async def _talk(servers: ServeStack) -> None:
    """What `make demo` has not: people who write to Alice, and answers to what they all read."""
    async with tertulia.connect(servers.address, token=_SECRET.server_token()) as server:
        alice, bob, carol, dan, eva = (
            server.acting_for(user_id) for user_id in ("alice", "bob", "carol", "dan", "eva")
        )
        for person, text in (
            (dan, "Thank you for the clips! 🙏"),
            (carol, "The new screens look lovely on the phone"),
            (eva, "شكرا جزيلا على المساعدة!"),
            (bob, "Are you coming to the meetup on Thursday?"),
            (bob, "Doors open at seven, talks at half past"),
            (bob, "See you there 😊"),
        ):
            channel = await person.channels.create_direct("alice")
            await person.send(channel.channel_id, text)
        history = {message.text[:7]: message.seq for message in (await alice.messages.latest("design-team")).messages}
        for person, words, emoji in (
            (bob, "Agreed.", "👍"),
            (eva, "Agreed.", "👍"),
            (eva, "Agreed.", "💯"),
            (alice, "Numbers", "❤️"),
            (bob, "Numbers", "❤️"),
        ):
            await person.react("design-team", history[words], emoji)
    async with tertulia.connect(servers.address, token=_SECRET.user_token("alice")) as device:
        device.mark_read("design-team", history["Yes, gl"])


async def _desktops(people: People, bob: Person) -> None:
    for dark in (False, True):
        alice = await people.join("alice", dark=dark)
        await alice.open("Design team")
        await bob.box("Design team").press_sequentially("Yes", delay=50)
        await alice.page.locator(".typing-line", has_text="is typing").wait_for()
        if dark:
            await alice.page.get_by_role("button", name="Details").click()
            await alice.page.locator(".members .person").first.wait_for()
        await _take(alice.page, "web-dark" if dark else "web-desktop")
        await bob.box("Design team").fill("")


async def _phone(people: People, bob: Person) -> None:
    alice = await people.join("alice", size=_PHONE)
    await alice.open("Design team")
    await bob.box("Design team").press_sequentially("Yes", delay=50)
    await alice.page.locator(".typing-line", has_text="is typing").wait_for()
    await _take(alice.page, "web-phone")


async def _widget(servers: ServeStack, browser: Browser) -> None:
    async with tertulia.connect(servers.address, token=_SECRET.server_token()) as server:
        await server.users.set_names({"support": "Casa Verde"})
        support = server.acting_for("support")
        await support.channels.create_group(["alice"], name="Casa Verde", channel_id="casa-verde")
        await support.send(
            "casa-verde", "Hello! Your olive tree has been shipped today. It should be with you on Friday."
        )
        await server.acting_for("alice").send("casa-verde", "Lovely, thank you! Does it like much water?")
        await support.send("casa-verde", "Once a week is plenty in winter 🌿")
    page = await (await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")).new_page()
    html = _SHOP.replace("TOKEN", _SECRET.user_token("alice"))
    await page.route("**/shop.html", lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
    await page.goto(f"{servers.web}/shop.html")
    await page.get_by_role("button", name="Open the chat").click()
    chat = page.frame_locator("iframe[title=Chat]")
    await chat.locator(".row-main", has_text="Casa Verde").click()
    await chat.locator(".message", has_text="Once a week").wait_for()
    await _take(page, "web-widget")


async def _take(page: Page, name: str) -> None:
    await page.mouse.move(0, 0)
    await page.wait_for_timeout(600)  # fonts and receipts
    devtools = await page.context.new_cdp_session(page)
    clip = {"x": 0, "y": 0, "scale": _SCALE, **(page.viewport_size or {})}
    taken = await devtools.send("Page.captureScreenshot", {"format": "webp", "quality": _QUALITY, "clip": clip})
    (_IMAGES / f"{name}.webp").write_bytes(base64.b64decode(taken["data"]))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
