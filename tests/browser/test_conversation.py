"""Two people in two browsers, on the real stack."""

import pytest
import tertulia
from playwright.async_api import Route, expect
from tertulia import ChannelKind
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.browser.people import People
from tests.support.stack import ServeStack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), pytest.mark.xdist_group("browser")]

_SERVER = Secret.parse(DEVELOPMENT_SECRET).server_token()


async def team(stack: ServeStack, channel: str) -> None:
    await stack.json("channels", "create", channel, "--kind", "group", "--members", "alice,bob", "--as", "alice")


async def test_two_people_talk_type_react_reply_edit_and_delete(stack: ServeStack, people: People) -> None:
    await team(stack, "plaza")
    alice, bob = await people.join("alice"), await people.join("bob")
    assert "token" not in alice.page.url, "a token stays in the address"
    await alice.open("plaza")
    await bob.open("plaza")

    await alice.box("plaza").press_sequentially("hello ")
    await bob.page.locator(".typing-line", has_text="alice is typing").wait_for()
    await alice.write("hello bob")
    said = await bob.sees("hello bob")
    await (await alice.sees("hello bob")).locator(".receipt.readByAll").wait_for()

    await said.hover()
    await said.locator("[aria-haspopup=menu]").click()
    await bob.page.get_by_role("menuitem", name="React with 🎉").click()
    await (await alice.sees("hello bob")).locator(".reaction", has_text="🎉").wait_for()

    await bob.act("hello bob", "Reply")
    await bob.write("hello alice")
    await (await alice.sees("hello alice")).locator(".quote", has_text="hello bob").wait_for()

    await alice.act("hello bob", "Edit")
    await expect(alice.box("plaza")).to_have_value("hello bob")  # from then on what is written stands in its place
    await alice.write("hello, dear bob")
    await bob.sees("hello, dear bob")

    await alice.act("hello, dear bob", "Delete")
    await alice.page.locator(".modal .danger", has_text="Delete").click()
    await bob.page.locator(".gone").first.wait_for()
    assert "dear bob" not in await bob.page.locator(".chat").inner_text(), "deleted text is still shown"

    await bob.page.reload()
    await bob.sees("hello alice")
    assert "dear bob" not in await bob.page.locator(".chat").inner_text(), "deleted text came back"


async def test_the_keyboard_names_somebody_and_escape_leaves_one_thing_after_the_other(
    stack: ServeStack, people: People
) -> None:
    await team(stack, "keys")
    alice = await people.join("alice")
    await alice.open("keys")
    box = alice.box("keys")
    await box.press_sequentially("look, @bo")
    await alice.page.locator(".mention-list button", has_text="bob").wait_for()
    await box.press("ArrowUp")
    await alice.page.keyboard.press("Enter")
    await expect(box).to_have_value("look, @bob ")
    await box.press("Enter")
    await (await alice.sees("look, @bob")).locator(".mention").wait_for()
    await box.press("ArrowUp")
    await expect(box).to_have_value("look, @bob")
    await box.press("Escape")
    await alice.page.locator(".above").wait_for(state="detached")
    await expect(box).to_have_value("")
    await box.press("Escape")
    await box.wait_for(state="detached")


async def test_escape_closes_what_is_on_top_and_nothing_else(stack: ServeStack, people: People) -> None:
    await team(stack, "layers")
    alice = await people.join("alice")
    await alice.open("layers")
    page = alice.page
    panel, menu, dialog = page.locator(".details"), page.get_by_role("menu"), page.locator("dialog.modal")
    toggle = page.locator(".chat-head").get_by_role("button", name="Details")
    await toggle.click()
    await page.get_by_role("button", name="More: bob").click()
    await menu.wait_for()
    await page.evaluate("document.activeElement.blur()")  # wherever the focus is
    await page.keyboard.press("Escape")
    await menu.wait_for(state="detached")
    await expect(panel).to_be_visible()

    add = panel.get_by_role("button", name="Add")
    for close in ("Escape", "Cancel"):
        await add.click()
        await dialog.wait_for()
        if close == "Escape":
            await page.keyboard.press("Escape")
        else:
            await dialog.get_by_role("button", name="Cancel").click()
        await dialog.wait_for(state="detached")
        await expect(panel).to_be_visible()
        await expect(add).to_be_focused()

    await alice.write("who has read this?")
    await alice.act("who has read this?", "Who has read it")
    await dialog.wait_for()
    await page.keyboard.press("Escape")
    await dialog.wait_for(state="detached")
    await page.keyboard.press("Escape")
    await panel.wait_for(state="detached")
    await expect(alice.box("layers")).to_be_visible()

    search = page.get_by_role("searchbox", name="Search")
    await search.fill("lay")
    await search.press("Escape")
    await expect(search).to_have_value("")
    await expect(alice.box("layers")).to_be_visible()
    await search.press("Escape")
    await alice.box("layers").wait_for(state="detached")


async def test_who_signs_out_is_told_what_is_lost_and_loses_nothing_else(stack: ServeStack, people: People) -> None:
    await team(stack, "leaving")
    token = Secret.parse(DEVELOPMENT_SECRET).user_token("alice")
    alice = await people.join("alice", token=token)
    page = alice.page

    async def sign_out() -> None:
        await page.locator(".inbox-head [aria-haspopup=menu]").click()
        await page.get_by_role("menuitem", name="Sign out").click()

    async def choose(words: str, answer: str) -> None:
        dialog = page.get_by_role("dialog").filter(has_text=words)
        await dialog.get_by_role("button", name=answer, exact=True).click()
        await dialog.wait_for(state="detached")

    await alice.open("leaving")
    await alice.box("leaving").fill("half a sentence")
    await sign_out()
    await choose("begun to write", "Cancel")
    await expect(alice.box("leaving")).to_have_value("half a sentence")

    async def refuse(route: Route) -> None:
        await route.abort()

    await page.route("**/tertulia.chat.v1.MessageService/SendMessage", refuse)
    await alice.write("never sent")
    await page.locator(".message:not([data-seq])").wait_for()
    await page.evaluate("sessionStorage.setItem('a shop', 'its own')")
    await sign_out()
    await choose("1 message was not sent", "Sign out")
    await page.locator(".sign-in h1").wait_for()
    assert await page.evaluate("Object.keys(sessionStorage)") == ["a shop"]

    await page.unroute("**/tertulia.chat.v1.MessageService/SendMessage")
    await people.follow_link(alice, token)
    await alice.open("leaving")
    await alice.write("back again")
    await alice.sees("back again")
    assert await alice.texts() == ["back again"]
    await sign_out()
    await page.locator(".sign-in").wait_for()


async def test_what_is_said_offline_is_delivered_once_and_in_order(stack: ServeStack, people: People) -> None:
    await team(stack, "tunnel")
    alice, bob = await people.join("alice"), await people.join("bob")
    await alice.open("tunnel")
    await bob.open("tunnel")
    await alice.context.set_offline(True)
    await alice.page.locator(".connection.bad").wait_for()
    for number in range(5):
        await alice.write(f"from the tunnel {number}")
    await alice.context.set_offline(False)
    await bob.sees("from the tunnel 4")
    expected = [f"from the tunnel {number}" for number in range(5)]
    assert await bob.texts() == expected
    await alice.page.locator(".message:not([data-seq])").first.wait_for(state="detached")
    assert await alice.texts() == expected


async def test_a_server_killed_while_somebody_writes_loses_and_doubles_nothing(
    stack: ServeStack, people: People
) -> None:
    await team(stack, "storm")
    alice, bob = await people.join("alice"), await people.join("bob")
    await alice.open("storm")
    await bob.open("storm")
    for number in range(12):
        if number in (3, 7):
            stack.kill("gateway" if number == 3 else "web")
        await alice.write(f"line {number}.")
    await bob.sees("line 11.")
    expected = [f"line {number}." for number in range(12)]
    await alice.page.locator(".message:not([data-seq])").first.wait_for(state="detached")
    assert await bob.texts() == expected
    assert await alice.texts() == expected
    history = await stack.json("history", "storm")
    assert [line["text"] for line in history] == expected


async def test_two_tabs_of_one_person_say_everything_once(stack: ServeStack, people: People) -> None:
    await team(stack, "tabs")
    one = await people.join("alice")
    two = await people.join("alice", in_context_of=one)
    await one.open("tabs")
    await two.open("tabs")
    await two.write("from the second tab")
    await one.sees("from the second tab")
    await one.write("from the first tab")
    await two.sees("from the first tab")
    history = await stack.json("history", "tabs")
    assert [line["text"] for line in history] == ["from the second tab", "from the first tab"]


async def test_a_group_is_made_from_people_who_were_searched(stack: ServeStack, people: People) -> None:
    await stack.json("users", "set", "carol", "--name", "Carol Jones")
    alice = await people.join("alice")
    await alice.page.get_by_role("button", name="New chat").click()
    await alice.page.get_by_role("searchbox", name="Search people").fill("carol")
    found = alice.page.locator(".found button", has_text="Carol Jones")
    refused = alice.page.locator(".toast", has_text="work")
    await found.or_(refused).first.wait_for()
    if await found.count():
        await found.click()
        await alice.page.locator(".modal-foot .primary").click()
        await alice.box("Carol Jones").wait_for()


async def test_somebody_is_blocked_and_the_block_is_taken_back(stack: ServeStack, people: People) -> None:
    async with tertulia.connect(stack.address, token=_SERVER) as server:
        await server.users.ensure(["alice", "mallory"])
        channel = await server.acting_for("mallory").channels.create_direct("alice")
        await server.acting_for("mallory").send(channel.channel_id, "buy my coins")
    alice = await people.join("alice")
    await alice.open("mallory")
    await alice.page.locator(".chat-head [aria-haspopup=menu]").click()
    await alice.page.get_by_role("menuitem", name="Block").click()
    await alice.page.locator(".modal .danger", has_text="Block").click()
    await alice.page.locator(".read-only", has_text="mallory is blocked").wait_for()
    await alice.page.reload()
    await alice.page.get_by_role("button", name="Unblock").click()
    await alice.write("well, tell me about them")
    await alice.sees("well, tell me about them")


async def test_an_open_channel_is_joined(stack: ServeStack, people: People) -> None:
    async with tertulia.connect(stack.address, token=_SERVER) as server:
        await server.users.ensure(["alice", "bob"])
        await server.acting_for("bob").channels.create(ChannelKind.OPEN, name="Gardening", channel_id="gardening")
    alice = await people.join("alice")
    await alice.page.get_by_role("button", name="New chat").click()
    await alice.page.locator(".found button", has_text="Gardening").click()
    await alice.box("Gardening").wait_for()
    await alice.write("hello, gardeners")
    await alice.sees("hello, gardeners")


async def test_a_person_gives_themselves_another_name(stack: ServeStack, people: People) -> None:
    await team(stack, "names")
    alice = await people.join("alice")
    await alice.page.locator(".inbox-head [aria-haspopup=menu]").click()
    await alice.page.get_by_role("menuitem", name="Your name").click()
    await alice.page.get_by_role("textbox", name="Your name").fill("Alice of Wonderland")
    await alice.page.get_by_role("button", name="Save").click()
    await alice.page.locator(".inbox-head h1", has_text="Alice of Wonderland").wait_for()
    bob = await people.join("bob")
    await bob.open("names")
    await alice.open("names")
    await alice.write("who am I?")
    await (await bob.sees("who am I?")).locator(".author", has_text="Alice of Wonderland").wait_for()
    await stack.json("users", "set", "alice", "--name", "alice")
