"""The chat bubble on somebody's page, on the real stack."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import tertulia
from playwright.async_api import Browser, Page, Route, expect
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.support.ports import until
from tests.support.stack import ServeStack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), pytest.mark.xdist_group("browser")]

_SECRET = Secret.parse(DEVELOPMENT_SECRET)
_PAGE = """<!doctype html><html lang="en"><title>A shop</title>
<style>:root {{ --tertulia-accent: rgb(10, 125, 90) }}</style><h1>A shop</h1>
<script src="/widget.js" data-user="alice" data-token="{token}" defer></script></html>"""


@asynccontextmanager
async def shop(stack: ServeStack, browser: Browser) -> AsyncIterator[Page]:
    """Somebody's page, on which alice has the chat."""
    context = await browser.new_context(locale="en-US")
    context.set_default_timeout(30_000)
    page = await context.new_page()
    html = _PAGE.format(token=_SECRET.user_token("alice"))
    await page.route("**/shop.html", lambda route: route.fulfill(body=html, content_type="text/html"))
    await page.goto(f"{stack.web}/shop.html")
    yield page
    await context.close()


async def test_nothing_of_one_user_of_a_page_is_left_for_the_next(stack: ServeStack, browser: Browser) -> None:
    async with tertulia.connect(stack.address, token=_SECRET.server_token()) as server:
        await server.users.ensure(["alice", "bob"])
        await server.acting_for("alice").channels.create_group(["bob"], name="Family", channel_id="family")
    async with shop(stack, browser) as page:
        chat = page.frame_locator("iframe[title=Chat]")
        box = chat.locator(".composer textarea")
        bubble = page.locator("button[aria-expanded]")

        async def becomes(user_id: str) -> None:
            token = _SECRET.user_token(user_id) if user_id else ""
            await page.evaluate(
                "([userId, given]) => { window.tertulia = { userId, token: async () => given }; }", [user_id, token]
            )

        await bubble.click()
        await chat.locator(".row-main", has_text="Family").click()
        await box.fill("a secret of alice")
        await becomes("bob")
        await chat.locator(".inbox-head h1", has_text="bob").wait_for()
        await chat.locator(".row-main", has_text="Family").click()
        await expect(box).to_have_value("")
        await box.fill("a secret of bob")
        await page.reload()
        await bubble.click()
        await chat.locator(".inbox-head h1", has_text="alice").wait_for()
        await chat.locator(".row-main", has_text="Family").wait_for()
        assert "secret" not in await chat.locator("body").inner_text()

        await chat.locator(".row-main", has_text="Family").click()
        await box.fill("another secret of alice")
        await becomes("")
        await expect(bubble).to_be_hidden()
        await expect(page.locator("iframe")).to_be_hidden()
        await becomes("alice")
        await bubble.click()
        await chat.locator(".row-main", has_text="Family").click()
        await expect(box).to_have_value("")
        await chat.get_by_role("button", name="Back").click()
        await chat.locator(".inbox-head [aria-haspopup=menu]").click()
        await chat.get_by_role("menuitem", name="Your name").wait_for()
        assert await chat.get_by_role("menuitem", name="Sign out").count() == 0


_ALICES = "indexedDB.open(`tertulia ${location.origin} alice`)"
_HOLD_DATABASE = f"""() => new Promise((resolve) => {{
  const opening = {_ALICES};
  opening.onsuccess = () => {{
    const store = opening.result.transaction("cache", "readwrite").objectStore("cache");
    const hold = () => {{
      resolve();
      if (window.isFree) opening.result.close();
      else store.count().onsuccess = hold;
    }};
    hold();
  }};
}})"""
_COUNT_KEPT = f"""() => new Promise((resolve) => {{
  const opening = {_ALICES};
  opening.onsuccess = () => {{
    const counting = opening.result.transaction("cache").objectStore("cache").count();
    counting.onsuccess = () => resolve(counting.result);
  }};
}})"""


async def test_who_signs_out_is_forgotten_though_somebody_else_follows_at_once(
    stack: ServeStack, browser: Browser
) -> None:
    async with tertulia.connect(stack.address, token=_SECRET.server_token()) as server:
        await server.users.ensure(["alice", "bob"])
        await server.acting_for("alice").channels.create_group(["bob"], name="Club", channel_id="club")
        await server.acting_for("bob").send("club", "welcome")
    async with shop(stack, browser) as page:
        chat = page.frame_locator("iframe[title=Chat]")
        await page.get_by_role("button", name="Open the chat").click()
        await chat.locator(".row-main", has_text="Club").click()
        await chat.locator(".message", has_text="welcome").wait_for()
        _, frame = page.frames
        await until(lambda: frame.evaluate(_COUNT_KEPT), "alice's list is kept", seconds=30)
        await frame.evaluate(_HOLD_DATABASE)
        await page.evaluate(
            """(given) => {
              window.tertulia = { userId: "" };
              window.tertulia = { userId: "bob", token: async () => given };
            }""",
            _SECRET.user_token("bob"),
        )
        await chat.locator(".inbox").wait_for(state="detached")
        await frame.evaluate("window.isFree = true")
        await page.get_by_role("button", name="Open the chat").click()
        await chat.locator(".inbox-head h1", has_text="bob").wait_for()
        assert await frame.evaluate(_COUNT_KEPT) == 0


async def test_a_chat_is_gone_at_once_when_its_page_has_another_user_whatever_the_server_does(
    stack: ServeStack, browser: Browser
) -> None:
    async with tertulia.connect(stack.address, token=_SECRET.server_token()) as server:
        await server.users.ensure(["alice", "bob"])
    async with shop(stack, browser) as page:
        chat = page.frame_locator("iframe[title=Chat]")
        await page.get_by_role("button", name="Open the chat").click()
        await chat.locator(".inbox-head h1", has_text="alice").wait_for()
        answers = asyncio.Event()

        async def late(route: Route) -> None:
            await answers.wait()
            await route.continue_()

        await page.route("**/?embedded", late)
        async with page.expect_event("pageerror") as fault:
            await page.evaluate("window.tertulia = { userId: 'bob' }")
        await expect(chat.locator(".inbox")).to_have_count(0)
        await chat.get_by_role("status").wait_for()
        assert "no token" in str(await fault.value), "alice's token would be handed over as bob's"
        answers.set()
        token = _SECRET.user_token("bob")
        await page.evaluate("(given) => { window.tertulia = { userId: 'bob', token: async () => given }; }", token)
        await chat.locator(".inbox-head h1", has_text="bob").wait_for()


async def test_one_script_tag_gives_a_chat_in_the_colours_of_the_page(stack: ServeStack, browser: Browser) -> None:
    async with tertulia.connect(stack.address, token=_SECRET.server_token()) as server:
        await server.users.ensure(["alice", "support"])
        support = server.acting_for("support")
        await support.channels.create_group(["alice"], name="Support", channel_id="support")
        await support.send("support", "how can we help?")
    async with shop(stack, browser) as page:
        await page.get_by_role("button", name="Open the chat").click()
        chat = page.frame_locator("iframe[title=Chat]")
        await chat.locator(".row-main", has_text="Support").click()
        await chat.locator(".message", has_text="how can we help?").wait_for()
        await chat.locator(".composer textarea").fill("with a return, please")
        await chat.locator(".composer textarea").press("Enter")
        said = chat.locator(".message.mine .bubble", has_text="with a return, please")
        await expect(said).to_have_css("background-color", "rgb(10, 125, 90)")
        address = await page.locator("iframe").get_attribute("src")
        assert address is not None
        assert "token" not in address
