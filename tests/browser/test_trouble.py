"""What pages go through: sleep, wrong clocks, tokens that expire, and text of every kind, on the real stack."""

import asyncio
import json

import pytest
import tertulia
from playwright.async_api import Route
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.browser.people import People
from tests.browser.scrolling import fill
from tests.support.stack import ServeStack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), pytest.mark.xdist_group("browser")]

_SECRET = Secret.parse(DEVELOPMENT_SECRET)
_TOKEN_SECONDS = 4
_SCROLLS_UP_TO = """(wanted) => {
  document.querySelector(".scroller").scrollTop = 0;
  return document.querySelector(wanted) !== null;
}"""
_KEPT_PAGE = """([user, channel]) => new Promise((resolve) => {
  const opening = indexedDB.open(`tertulia ${location.origin} ${user}`);
  opening.onsuccess = () => { // behind what is being written
    const reading = opening.result.transaction("cache").objectStore("cache").get(`page:${channel}`);
    reading.onsuccess = () => {
      opening.result.close();
      resolve(reading.result !== undefined);
    };
  };
})"""
ANYTHING = {
    "right to left": "\u0634\u0643\u0631\u0627 \u062c\u0632\u064a\u0644\u0627! \u05e9\u05dc\u05d5\u05dd",
    "families and flags": "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1ea\U0001f1f8 \U0001f44d\U0001f3fd ok",
    "combining characters": "Z\u0351\u036b\u0343a\u0340\u0316l\u0324\u0329g\u0318o\u031c is a\u0308 and \u00e4",
}


async def _without_development(route: Route) -> None:
    await route.fulfill(body=json.dumps({"imageHosts": [], "development": False}))


async def team(stack: ServeStack, channel: str) -> None:
    await stack.json("channels", "create", channel, "--kind", "group", "--members", "alice,bob", "--as", "alice")


async def test_a_laptop_that_slept_for_an_hour_has_everything_once_and_in_order(
    stack: ServeStack, people: People
) -> None:
    await team(stack, "nap")
    alice, bob = await people.join("alice"), await people.join("bob")
    await alice.page.clock.install()
    await alice.page.reload()
    await alice.open("nap")
    await bob.open("nap")
    await alice.context.set_offline(True)
    for number in range(30):
        await bob.write(f"meanwhile {number}.")
    await bob.sees("meanwhile 29.")
    await alice.page.clock.fast_forward("01:00:00")
    await alice.context.set_offline(False)
    await alice.page.clock.run_for(15_000)  # the pauses between its attempts
    await alice.sees("meanwhile 29.")
    assert [text for text in await alice.texts() if text.startswith("meanwhile")][-10:] == [
        f"meanwhile {number}." for number in range(20, 30)
    ]
    await alice.write("good morning")
    await bob.sees("good morning")


@pytest.mark.parametrize("days", [-1, 1], ids=["a day behind", "a day ahead"])
async def test_a_clock_that_is_wrong_by_a_day_changes_no_order_and_loses_nothing(
    stack: ServeStack, people: People, days: int
) -> None:
    channel = f"clock{days + 1}"
    await team(stack, channel)
    alice, bob = await people.join("alice"), await people.join("bob")
    now = await alice.page.evaluate("Date.now()")
    await alice.page.clock.set_system_time(now + days * 86_400_000)
    await alice.open(channel)
    await bob.open(channel)
    await alice.write("one")
    await bob.sees("one")
    await bob.write("two")
    await alice.sees("two")
    await alice.write("three")
    await bob.sees("three")
    await alice.page.locator(".message:not([data-seq])").first.wait_for(state="detached")
    assert await alice.texts() == await bob.texts() == ["one", "two", "three"]


async def test_a_token_that_expires_under_an_open_page_is_renewed(stack: ServeStack, people: People) -> None:
    await team(stack, "renewed")
    renewed = asyncio.Event()

    async def note(route: Route) -> None:
        renewed.set()
        await route.continue_()

    people.route("**/development/token", note)
    alice = await people.join("alice", token=_SECRET.user_token("alice", _TOKEN_SECONDS))
    bob = await people.join("bob")
    await alice.open("renewed")
    await bob.open("renewed")
    async with asyncio.timeout(30):
        await renewed.wait()
    await bob.write("are you still there?")
    await alice.sees("are you still there?")
    await alice.write("yes")
    await bob.sees("yes")


@pytest.mark.parametrize("seconds", [1, _TOKEN_SECONDS], ids=["at once", "in a while"])
async def test_where_nobody_renews_tokens_the_page_says_that_it_is_over(people: People, seconds: int) -> None:
    people.route("**/config.json", _without_development)
    alice = await people.join("alice", token=_SECRET.user_token("alice", seconds))
    await alice.page.locator(".connection.bad[role=alert]", has_text="signed out").wait_for()


async def test_a_link_with_the_token_of_somebody_else_is_no_log_in(people: People) -> None:
    people.route("**/config.json", _without_development)
    alice = await people.join("alice", token=_SECRET.user_token("bob"))
    await alice.page.locator(".connection.bad[role=alert]", has_text="signed out").wait_for()


@pytest.mark.parametrize("meanwhile", ["sessionStorage.clear()", "sessionStorage.setItem('tertulia.user', 'bob')"])
async def test_who_goes_back_to_a_page_sees_nothing_of_somebody_who_signed_out_meanwhile(
    people: People, meanwhile: str
) -> None:
    alice = await people.join("alice")
    is_shown = await alice.page.evaluate(f"""() => {{
      dispatchEvent(new PageTransitionEvent("pagehide", {{ persisted: true }}));
      {meanwhile}; // in another document of this tab
      window.isOld = true;
      dispatchEvent(new PageTransitionEvent("pageshow", {{ persisted: true }}));
      return document.querySelector(".inbox") !== null; // a new page may take its time
    }}""")
    assert not is_shown
    await alice.page.wait_for_function("() => window.isOld === undefined")


async def test_history_that_cannot_be_loaded_says_so_and_is_loaded_when_asked_again(
    stack: ServeStack, people: People
) -> None:
    last = await fill(stack, "holes", 300)
    is_broken = True

    async def sometimes(route: Route) -> None:
        await (route.abort() if is_broken else route.continue_())

    people.route("**/tertulia.chat.v1.MessageService/ListMessages", sometimes)
    alice = await people.join("alice")
    page = alice.page
    again = page.locator(".messages").get_by_role("button", name="Try again")
    spinning = page.locator(".loading-more, .loading-window")
    await alice.open("holes")
    await again.wait_for()
    assert await spinning.count() == 0
    is_broken = False
    await again.click()
    await alice.sees("number 300 ")

    is_broken = True
    await page.wait_for_function(_SCROLLS_UP_TO, arg=".load-failed")
    assert await spinning.count() == 0
    is_broken = False
    await again.click()
    await page.wait_for_function(_SCROLLS_UP_TO, arg=f'[data-seq="{last - 299}"]')
    assert await again.count() == 0

    later = await people.join("alice")
    await later.open("holes")
    await later.sees("number 300 ")
    assert await later.page.evaluate(_KEPT_PAGE, ["alice", "holes"])
    is_broken = True  # though there is something of the last visit to show
    await later.page.reload()
    again = later.page.locator(".messages").get_by_role("button", name="Try again")
    await again.wait_for()
    await later.sees("number 300 ")
    is_broken = False
    await again.click()
    await again.wait_for(state="detached")
    await later.sees("number 300 ")


async def test_who_says_something_while_a_quote_is_fetched_is_not_taken_to_the_quote(
    stack: ServeStack, people: People
) -> None:
    first = await fill(stack, "quotes", 300) - 299

    async def bob_says(text: str, reply_to: int = 0) -> None:
        async with tertulia.connect(stack.address, token=_SECRET.server_token()) as server:
            await server.acting_for("bob").send("quotes", text, reply_to=reply_to)

    await bob_says("as I said", first)
    is_held = False
    answers = asyncio.Event()

    async def late(route: Route) -> None:
        if is_held:
            await answers.wait()
        await route.continue_()

    people.route("**/tertulia.chat.v1.MessageService/ListMessages", late)
    alice = await people.join("alice")
    await alice.open("quotes")
    quote = (await alice.sees("as I said")).locator(".quote", has_text="number 1 ")
    is_held = True
    await quote.click()
    await alice.page.locator(".scroller").hover()
    await alice.write("never mind")
    async with alice.page.expect_response("**/tertulia.chat.v1.MessageService/ListMessages") as answer:
        answers.set()
    await (await answer.value).finished()
    await bob_says("as you like")
    await alice.sees("as you like")
    await alice.page.locator(".to-latest").wait_for(state="detached")
    assert await alice.page.locator(f'[data-seq="{first}"]').count() == 0


async def test_who_says_something_after_a_quote_could_not_be_fetched_goes_there_no_more(
    stack: ServeStack, people: People
) -> None:
    first = await fill(stack, "lost", 300) - 299
    async with tertulia.connect(stack.address, token=_SECRET.server_token()) as server:
        await server.acting_for("bob").send("lost", "as I said", reply_to=first)
    is_broken = False

    async def sometimes(route: Route) -> None:
        await (route.abort() if is_broken else route.continue_())

    people.route("**/tertulia.chat.v1.MessageService/ListMessages", sometimes)
    alice = await people.join("alice")
    again = alice.page.locator(".messages").get_by_role("button", name="Try again")
    await alice.open("lost")
    quote = (await alice.sees("as I said")).locator(".quote", has_text="number 1 ")
    is_broken = True
    await quote.click()
    await again.wait_for()
    is_broken = False
    await alice.write("never mind")
    await again.wait_for(state="detached")
    await alice.sees("never mind")
    assert await alice.page.locator(f'[data-seq="{first}"]').count() == 0


async def test_text_of_every_kind_arrives_as_it_was_written(stack: ServeStack, people: People) -> None:
    await team(stack, "babel")
    alice, bob = await people.join("alice"), await people.join("bob")
    await alice.open("babel")
    await bob.open("babel")
    for text in ANYTHING.values():
        await alice.write(text)
    await bob.sees(list(ANYTHING.values())[-1])
    assert await bob.texts() == list(ANYTHING.values())
    width = await bob.page.evaluate("document.documentElement.scrollWidth")
    assert width <= await bob.page.evaluate("innerWidth"), "something is wider than the screen"


async def test_a_message_of_ten_thousand_characters_is_shown_in_part_and_whole_when_asked(
    stack: ServeStack, people: People
) -> None:
    await team(stack, "novel")
    alice, bob = await people.join("alice"), await people.join("bob")
    await alice.open("novel")
    await bob.open("novel")
    text = ("word " * 2_000)[:9_996] + "end."
    await alice.write(text)
    message = await bob.sees("word word")
    await message.get_by_role("button", name="Show more").click()
    assert (await message.locator(".text").inner_text()).startswith(text[:9_000])
    assert "end." in await message.locator(".text").inner_text()
