"""People with a browser each, and what they do there, in the words of somebody who watches them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, Route
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.support.stack import ServeStack

_AXE = Path("node_modules/axe-core/axe.min.js")
_SECRET = Secret.parse(DEVELOPMENT_SECRET)
_DESKTOP = (1280, 800)
_CLOSE_SECONDS = 20.0
"""Chromium may answer that it closes a page, and not do it, while a navigation of that page is being committed, as after signing out:
https://github.com/microsoft/playwright/issues/42366. Then nobody is told, ever."""
_QUIET = ("net::", "Failed to load resource")  # a server that is away is part of some stories


@cache
def _axe() -> str:
    return _AXE.read_text()


class Person:
    """One person's page."""

    def __init__(self, user_id: str, context: BrowserContext, page: Page) -> None:
        self.user_id = user_id
        self.context = context
        self.page = page

    async def open(self, title: str) -> None:
        """Open a conversation from the list."""
        await self.page.locator(".row-main", has_text=title).first.click()
        await self.box(title).wait_for()

    def box(self, title: str) -> Locator:
        return self.page.get_by_role("textbox", name=f"Message {title}")

    async def write(self, text: str) -> None:
        """Say something in the conversation that is open."""
        box = self.page.locator(".composer textarea")
        await box.fill(text)
        await box.press("Enter")

    def message(self, text: str) -> Locator:
        return self.page.locator(".message[data-seq]").filter(has=self.page.locator(".text", has_text=text)).last

    async def sees(self, text: str) -> Locator:
        message = self.message(text)
        await message.wait_for()
        return message

    async def act(self, text: str, action: str) -> None:
        """Choose from the menu of a message."""
        message = await self.sees(text)
        await message.hover()
        await message.locator(".actions [aria-haspopup=menu]").click()
        await self.page.get_by_role("menuitem", name=action, exact=True).click()

    async def texts(self) -> list[str]:
        """What the messages in view say."""
        return await self.page.locator(".message .text").all_inner_texts()

    async def serious_findings(self) -> list[str]:
        """What axe finds wrong with what is shown now, if it is serious."""
        await self.page.evaluate(_axe())
        found = await self.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        return [
            f"{finding['id']}: {json.dumps([node['html'][:120] for node in finding['nodes'][:3]])}"
            for finding in found["violations"]
            if finding["impact"] in ("serious", "critical")
        ]


class People:
    """Those who are here; their pages' errors are kept in `faults`."""

    def __init__(self, stack: ServeStack, browser: Browser) -> None:
        self._stack = stack
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._routes: list[tuple[str, Callable[[Route], Awaitable[None]]]] = []
        self.faults: list[str] = []

    async def join(
        self,
        user_id: str,
        *,
        size: tuple[int, int] = _DESKTOP,
        language: str = "en-US",
        dark: bool = False,
        token: str = "",
        script: str = "",
        in_context_of: Person | None = None,
    ) -> Person:
        """Follow a log-in link, in a browser of one's own or in another tab of somebody's. `script` runs before each page."""
        context = in_context_of.context if in_context_of is not None else await self._context(size, language, dark=dark)
        page = await context.new_page()
        if script:
            await page.add_init_script(script)
        for pattern, handler in self._routes:
            await page.route(pattern, handler)
        page.on("pageerror", self._on_error)
        page.on("console", self._on_console)
        person = Person(user_id, context, page)
        await self.follow_link(person, token)
        return person

    async def follow_link(self, person: Person, token: str = "") -> None:
        """Log in, in the tab that is open."""
        user_id = person.user_id
        await person.page.goto(f"{self._stack.web}/#user={user_id}&token={token or _SECRET.user_token(user_id)}")
        await person.page.locator(".inbox").wait_for()

    def route(self, pattern: str, handler: Callable[[Route], Awaitable[None]]) -> None:
        """Answer requests of those who join from now on in place of the server."""
        self._routes.append((pattern, handler))

    async def leave(self) -> None:
        for context in self._contexts:
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await context.close()
            except TimeoutError:
                print("a page is left to the end of its browser")

    async def _context(self, size: tuple[int, int], language: str, *, dark: bool) -> BrowserContext:
        context = await self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            locale=language,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            bypass_csp=False,
        )
        context.set_default_timeout(30_000)
        self._contexts.append(context)
        return context

    def _on_error(self, error: Error) -> None:
        self.faults.append(str(error))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(quiet in message.text for quiet in _QUIET):
            self.faults.append(message.text)
