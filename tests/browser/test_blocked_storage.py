"""A browser that keeps nothing: cookies blocked, or a frame of another site. Firefox throws there as soon as storage is touched."""

import pytest

from tests.browser.people import People
from tests.support.stack import ServeStack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), pytest.mark.xdist_group("browser")]

_BLOCKED = """{
  const blocked = () => { throw new DOMException("The operation is insecure.", "SecurityError"); };
  const block = (where, name) => Object.defineProperty(where, name, { configurable: true, get: blocked });
  for (const name of ["sessionStorage", "localStorage", "indexedDB"]) block(globalThis, name);
  block(Navigator.prototype, "locks");
  block(Notification, "permission");
  globalThis.BroadcastChannel = class { constructor() { blocked(); } };
}"""
_BACK_FROM_CACHE = """() => {
  dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
  dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
}"""


async def test_where_storage_is_blocked_one_is_logged_in_as_long_as_the_page_is_open(
    stack: ServeStack, people: People
) -> None:
    await stack.json("channels", "create", "vault", "--kind", "group", "--members", "alice,bob", "--as", "alice")
    alice, bob = await people.join("alice", script=_BLOCKED), await people.join("bob")
    assert "token" not in alice.page.url, "a token stays in the address"
    await alice.open("vault")
    await bob.open("vault")
    await alice.write("can you hear me?")
    await bob.sees("can you hear me?")
    await bob.write("loud and clear")
    await alice.sees("loud and clear")

    await alice.page.evaluate(_BACK_FROM_CACHE)
    await bob.write("still there?")
    await alice.sees("still there?")
    await alice.write("yes")
    await bob.sees("yes")
    await alice.page.locator(".message:not([data-seq])").first.wait_for(state="detached")
    assert await alice.texts() == await bob.texts() == ["can you hear me?", "loud and clear", "still there?", "yes"]

    await alice.page.reload()
    await alice.page.get_by_role("alert").filter(has_text="lets this page keep nothing").wait_for()
    assert await alice.serious_findings() == []
    await people.follow_link(alice)
    await alice.open("vault")
    await alice.sees("loud and clear")


async def test_where_storage_works_the_page_does_not_say_that_it_forgets(people: People) -> None:
    alice = await people.join("alice")
    await alice.page.reload()
    await alice.page.locator(".inbox").wait_for()
    await alice.page.evaluate("sessionStorage.clear()")
    await alice.page.reload()
    await alice.page.locator(".sign-in").wait_for()
    assert await alice.page.get_by_role("alert").count() == 0
