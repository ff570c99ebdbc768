"""The commands for what comes after a message: edits, reactions, roles, preferences, people, replays."""

from pathlib import Path

import pytest

from tests.support.stack import ServeStack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("sdk-stack")]

SAMPLES = sorted((Path(__file__).parents[2] / "data" / "irc").glob("*.txt"))


async def test_history_tells_what_became_of_messages(stack: ServeStack) -> None:
    await stack.run("channels", "create", "worked-on", "--members", "ben", "--as", "ann")
    [first] = await stack.json("send", "worked-on", "helo", "--as", "ann")
    [second] = await stack.json("send", "worked-on", "regret", "--as", "ann", "--reply-to", str(first["seq"]))
    [third] = await stack.json("send", "worked-on", "answer", "--as", "ben", "--reply-to", str(first["seq"]))
    one, two = str(first["seq"]), str(second["seq"])
    [edited] = await stack.json("edit", "worked-on", one, "hello", "--as", "ann", "--mention", "ben")
    assert (edited["target"], edited["done"]) == (first["seq"], "edited")
    await stack.json("react", "worked-on", one, "👍", "--as", "ben")
    await stack.json("react", "worked-on", one, "👎", "--as", "ben")
    await stack.json("unreact", "worked-on", one, "👎", "--as", "ben")
    await stack.json("delete", "worked-on", two, "--as", "ann")
    said = await stack.json("history", "worked-on", "--as", "ben")
    assert [(m["seq"], m["text"]) for m in said] == [
        (first["seq"], "hello"),
        (second["seq"], ""),
        (third["seq"], "answer"),
    ]
    assert said[0]["edited"] == edited["time"]
    assert (said[0]["mentions"], said[0]["reply_count"]) == (["ben"], 1)
    assert said[0]["reactions"] == [{"key": "👍", "count": 1, "users": ["ben"]}]
    assert (said[1]["deleted"], said[1]["deleted_by"]) == (True, "ann")
    _, shown, _ = await stack.run("history", "worked-on", "--as", "ben")
    assert "hello (edited)  👍 1" in shown
    assert "(deleted)" in shown


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("edit", "refusing", "2", "no", "--as", "ben"), "NOT_ALLOWED"),
        (("edit", "refusing", "999", "no", "--as", "ann"), "MESSAGE_NOT_FOUND"),
        (("delete", "refusing", "1", "--as", "ann"), "MESSAGE_NOT_FOUND"),
        (("react", "refusing", "2", "👍", "--as", "zed"), "CHANNEL_NOT_FOUND"),
        (("read", "refusing", "--up-to", "999", "--as", "ann"), "POSITION_ABOVE_HEAD"),
        (("channels", "role", "refusing", "ann", "member", "--as", "ann"), "LAST_OWNER"),
        (("channels", "role", "refusing", "zed", "member", "--as", "ann"), "MEMBER_NOT_FOUND"),
        (("channels", "update", "refusing", "--name", "x", "--etag", "old"), "ETAG_MISMATCH"),
        (("channels", "join", "refusing", "--as", "zed"), "CHANNEL_NOT_FOUND"),
        (("users", "block", "nobody-at-all", "--as", "ann"), "USER_NOT_FOUND"),
    ],
)
async def test_a_refusal_is_exit_code_1_and_named(stack: ServeStack, arguments: tuple[str, ...], reason: str) -> None:
    await stack.run("channels", "create", "refusing", "--members", "ben", "--as", "ann")
    await stack.run("users", "set", "zed")
    if not await stack.json("history", "refusing"):
        await stack.json("send", "refusing", "mine", "--as", "ann")
    code, out, err = await stack.run(*arguments)
    assert (code, out) == (1, "")
    assert f"({reason})" in err


async def test_channels_of_every_kind_are_made_found_changed_and_deleted(stack: ServeStack) -> None:
    await stack.json("channels", "create", "agora", "--kind", "open", "--as", "ann")
    await stack.json("channels", "create", "news", "--kind", "broadcast", "--members", "ben", "--as", "ann")
    assert "agora" in [channel["channel"] for channel in await stack.json("channels", "open", "ago", "--as", "ben")]
    [joined] = await stack.json("channels", "join", "agora", "--as", "ben")
    assert (joined["kind"], joined["member_count"]) == ("open", 2)
    code, _, err = await stack.run("send", "news", "me too", "--as", "ben")
    assert (code, "NOT_ALLOWED" in err) == (1, True)
    [member] = await stack.json("channels", "role", "news", "ben", "operator")
    assert member["role"] == "operator"
    await stack.json("send", "news", "me too", "--as", "ben")
    [changed] = await stack.json("channels", "update", "news", "--name", "The news", "--slow-mode", "5")
    assert (changed["name"], changed["slow_mode_seconds"]) == ("The news", 5)
    assert (await stack.run("channels", "update", "news"))[0] == 2
    await stack.json("channels", "delete", "news")
    code, _, err = await stack.run("history", "news")
    assert (code, "CHANNEL_NOT_FOUND" in err) == (1, True)


async def test_one_says_how_one_wants_to_have_a_channel_and_what_one_has_read(stack: ServeStack) -> None:
    await stack.run("channels", "create", "mine-own", "--members", "cat", "--as", "ann")
    [sent] = await stack.json("send", "mine-own", "hi", "--as", "ann", "--mention", "cat")
    [before] = await stack.json("channels", "list", "--as", "cat")
    assert (before["unread"], before["mentions"]) == (1, 1)
    [wanted] = await stack.json("channels", "pref", "mine-own", "--mute", "--pin", "--as", "cat")
    assert (wanted["muted"], wanted["pinned"], wanted["hidden"]) == (True, True, False)
    [read] = await stack.json("read", "mine-own", "--as", "cat")
    assert read["read_seq"] == sent["seq"]
    [after] = await stack.json("channels", "list", "--as", "cat")
    assert (after["unread"], after["mentions"], after["pinned"]) == (0, 0, True)
    members = {member["user"]: member for member in await stack.json("channels", "members", "mine-own")}
    assert (members["cat"]["read_seq"], members["cat"]["delivered_seq"]) == (sent["seq"], sent["seq"])


async def test_people_are_listed_found_and_blocked(stack: ServeStack) -> None:
    await stack.json("users", "set", "wanda", "--name", "Wanda the fish")
    await stack.json("users", "set", "otto", "--name", "Otto")
    assert {"wanda", "otto"} <= {user["user"] for user in await stack.json("users", "list")}
    assert [user["user"] for user in await stack.json("users", "search", "wanda THE")] == ["wanda"]
    await stack.json("users", "block", "otto", "--as", "wanda")
    assert [user["user"] for user in await stack.json("users", "blocked", "--as", "wanda")] == ["otto"]
    await stack.json("users", "unblock", "otto", "--as", "wanda")
    assert await stack.json("users", "blocked", "--as", "wanda") == []


async def test_an_imported_conversation_is_replayed_and_everybody_sees_the_same(stack: ServeStack) -> None:
    await stack.json("import", *map(str, SAMPLES), "--format", "irc", "--channel", "logged")
    [result] = await stack.json("replay", "logged", "--clients", "8", "--into", "logged-again")
    assert (result["lines"], result["clients"], result["deliveries"]) == (36, 8, 8 * 36)
    assert (result["same_for_all"], result["differences"]) == (True, [])
    original = await stack.json("history", "logged")
    again = await stack.json("history", "logged-again")
    assert sorted((str(m["author"]), str(m["text"])) for m in again) == sorted(
        (str(m["author"]), str(m["text"])) for m in original
    )
    code, _, err = await stack.run("replay", "no-such-channel")
    assert (code, "CHANNEL_NOT_FOUND" in err) == (1, True)
    assert (await stack.run("replay", "logged", "--max", "--speed", "2"))[0] == 2
