"""Debian's Chromium on the real stack: a server for all stories of a file, and people with a browser each."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from services.web.pages import BUILT_CLIENT
from tests.browser.people import People
from tests.support.stack import ServeStack, running_stack

CHROMIUM = os.environ.get("TERTULIA_TEST_CHROMIUM") or shutil.which("chromium") or ""
MUST = "TERTULIA_TEST_REQUIRE_SERVERS"


@pytest.fixture(scope="module", autouse=True)
def _ready() -> None:
    for missing, what in (
        (not CHROMIUM, "no chromium (apt-get install chromium)"),
        (not (BUILT_CLIENT / "index.html").is_file(), "the web client is not built (make web)"),
    ):
        if missing and os.environ.get(MUST):
            pytest.fail(what)
        if missing:
            pytest.skip(what)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServeStack]:
    async with running_stack(tmp_path_factory.mktemp("stack") / "data") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        # as root, as CI is, Chromium has no sandbox
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield running
        finally:
            await running.close()


@pytest_asyncio.fixture(loop_scope="module")
async def people(stack: ServeStack, browser: Browser) -> AsyncIterator[People]:
    here = People(stack, browser)
    try:
        yield here
    finally:
        await here.leave()
    assert not here.faults, here.faults
