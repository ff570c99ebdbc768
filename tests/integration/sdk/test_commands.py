"""Every command, as a script uses it."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.compare_irc import compare
from tests.support.ports import free_port
from tests.support.stack import COMMAND, Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("sdk-stack")]

SAMPLES = sorted((Path(__file__).parents[2] / "data" / "irc").glob("*.txt"))


async def test_a_conversation_by_commands(stack: Stack) -> None:
    code, out, _ = await stack.run(
        "channels", "create", "cli", "--kind", "group", "--members", "ann,ben", "--as", "ann"
    )
    assert (code, out) == (0, "cli\n")
    [sent] = await stack.json("send", "cli", "hello, ben", "--as", "ann", "--mention", "ben")
    [answer] = await stack.json("send", "cli", "hello", "--as", "ben", "--reply-to", str(sent["seq"]))
    said = await stack.json("history", "cli", "--as", "ben")
    assert [(m["seq"], m["author"], m["text"], m["state"]) for m in said] == [
        (sent["seq"], "ann", "hello, ben", "sent"),
        (answer["seq"], "ben", "hello", "sent"),
    ]
    assert (said[0]["mentions"], said[1]["reply_to"]) == (["ben"], sent["seq"])
    [mine] = [each for each in await stack.json("channels", "list", "--as", "ann") if each["channel"] == "cli"]
    assert (mine["unread"], mine["kind"]) == (2, "group")
    members = await stack.json("channels", "members", "cli", "--as", "ann")
    assert [(m["user"], m["role"]) for m in members] == [("ann", "owner"), ("ben", "member")]
    assert await stack.json("channels", "members", "cli") == members, "the application sees the same"


async def test_a_message_sent_again_under_its_id_takes_effect_once(stack: Stack) -> None:
    await stack.run("channels", "create", "again", "--as", "ann")
    first = await stack.json("send", "again", "once", "--as", "ann", "--id", "my-id")
    assert await stack.json("send", "again", "once", "--as", "ann", "--id", "my-id") == first
    assert len(await stack.json("history", "again", "--as", "ann")) == 1


async def test_members_come_and_go(stack: Stack) -> None:
    await stack.run("channels", "create", "club", "--as", "ann")
    await stack.json("users", "set", "cid", "--name", "Cid")
    assert (await stack.json("users", "get", "cid"))[0]["name"] == "Cid"
    code, _, err = await stack.run("history", "club", "--as", "cid")
    assert (code, "CHANNEL_NOT_FOUND" in err) == (1, True)
    [channel] = await stack.json("channels", "add", "club", "--members", "cid", "--as", "ann")
    assert channel["member_count"] == 2
    code, _, err = await stack.run("channels", "remove", "club", "--members", "ann", "--as", "cid")
    assert (code, "NOT_ALLOWED" in err) == (1, True)
    await stack.json("channels", "leave", "club", "--as", "cid")
    assert await stack.json("channels", "list", "--as", "cid") == []


async def test_a_direct_channel_has_an_id_of_its_own_and_is_made_once(stack: Stack) -> None:
    create = ("channels", "create", "whatever", "--kind", "direct", "--members", "ben", "--as", "ann")
    [made] = await stack.json(*create)
    [found] = await stack.json("channels", "create", "other", "--kind", "direct", "--members", "ann,ben", "--as", "ben")
    assert made["channel"] == found["channel"] != "whatever"
    await stack.json("send", str(made["channel"]), "psst", "--as", "ben")


async def test_tail_prints_what_comes_and_stops_at_its_limit_or_when_interrupted(stack: Stack) -> None:
    await stack.run("channels", "create", "tailed", "--members", "ben", "--as", "ann")
    [before] = await stack.json("send", "tailed", "before", "--as", "ann")
    limited = await _tail(stack, "--limit", "2", "--after", str(int(str(before["seq"])) - 1))
    endless = await _tail(stack)
    await stack.json("send", "tailed", "after", "--as", "ann")
    async with asyncio.timeout(30):
        out, _ = await limited.communicate()
        assert endless.stdout is not None
        first = json.loads(await endless.stdout.readline())
        endless.send_signal(signal.SIGINT)
        await endless.communicate()
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["before", "after"]
    assert first["text"] == "after"
    assert (limited.returncode, endless.returncode) == (0, 130)


@pytest.mark.parametrize("user", ["ben", ""])
async def test_tail_tells_what_becomes_of_messages_and_counts_only_these(stack: Stack, user: str) -> None:
    channel = f"amended-{user or 'application'}"
    await stack.run("channels", "create", channel, "--members", "ben", "--as", "ann")
    [sent] = await stack.json("send", channel, "helo", "--as", "ann")
    seq = str(sent["seq"])
    tail = await _tail(stack, "--limit", "1", name=channel, user=user)
    await stack.run("edit", channel, seq, "hello", "--as", "ann")
    await stack.run("react", channel, seq, "👍", "--as", "ben")
    await stack.run("unreact", channel, seq, "👍", "--as", "ben")
    await stack.run("delete", channel, seq, "--as", "ann")
    await stack.run("send", channel, "the last", "--as", "ann")
    async with asyncio.timeout(30):
        out, _ = await tail.communicate()
    *amended, last = map(json.loads, out.splitlines())
    assert [(line["event"], line["target"], line["by"]) for line in amended] == [
        ("edited", sent["seq"], "ann"),
        ("reaction", sent["seq"], "ben"),
        ("reaction", sent["seq"], "ben"),
        ("deleted", sent["seq"], "ann"),
    ]
    assert [line.get("removed") for line in amended] == [None, False, True, None]
    assert ("event" in last, last["text"]) == (False, "the last")


async def test_tail_ends_when_its_channel_is_deleted(stack: Stack) -> None:
    await stack.run("channels", "create", "short-lived", "--members", "ben", "--as", "ann")
    tail = await _tail(stack, name="short-lived")
    await stack.run("channels", "delete", "short-lived", "--as", "ann")
    async with asyncio.timeout(30):
        out, err = await tail.communicate()
    assert (tail.returncode, out) == (1, b"")
    assert b"(CHANNEL_NOT_FOUND)" in err


async def test_chat_speaks_json_lines_to_scripts_up_to_their_own_last_message(stack: Stack) -> None:
    await stack.run("channels", "create", "scripted", "--as", "ann")
    code, out, _ = await _piped(stack, b"one\ntwo\n", "chat", "scripted", "--as", "ann", "--json")
    told = [event["text"] for event in map(json.loads, out.splitlines()) if event["event"] == "message"]
    assert (code, told) == (0, ["one", "two"])
    assert [m["text"] for m in await stack.json("history", "scripted", "--as", "ann")] == ["one", "two"]


async def test_a_line_that_is_refused_does_not_keep_a_script_from_saying_the_next(stack: Stack) -> None:
    await stack.run("channels", "create", "outspoken", "--as", "ann")
    lines = b"\n".join((b"one", b"x" * 10_001, b"\xff", b" ", b"two"))
    code, out, err = await _piped(stack, lines, "chat", "outspoken", "--as", "ann", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["reason"] for event in events if event["event"] == "refused"] == ["FIELD_INVALID", "NOT_UTF8"]
    assert [event["text"] for event in events if event["event"] == "message"] == ["one", "two"]
    assert (code, err.count("tertulia: ")) == (1, 2)


async def test_send_says_what_standard_input_holds(stack: Stack) -> None:
    await stack.run("channels", "create", "dictated", "--as", "ann")
    code, _, _ = await _piped(stack, "two lines\n¡y eñes!\n".encode(), "send", "dictated", "-", "--as", "ann")
    refused, _, err = await _piped(stack, b"\xff", "send", "dictated", "-", "--as", "ann")
    assert (code, refused, "UTF-8" in err) == (0, 2, True)
    assert [m["text"] for m in await stack.json("history", "dictated")] == ["two lines\n¡y eñes!"]


async def test_history_is_cut_to_what_is_asked_for(stack: Stack) -> None:
    await stack.run("channels", "create", "cut", "--as", "ann")
    seqs = [(await stack.json("send", "cut", str(n), "--as", "ann"))[0]["seq"] for n in range(4)]

    async def texts(*options: str) -> list[object]:
        return [message["text"] for message in await stack.json("history", "cut", "--as", "ann", *options)]

    assert await texts("--last", "2") == ["2", "3"]
    assert await texts("--after", str(seqs[1])) == ["2", "3"]
    assert await texts("--before", str(seqs[1])) == ["0"]
    assert await texts("--last", "1", "--before", str(seqs[3])) == ["2"]
    assert await texts("--last", "9", "--after", str(seqs[2])) == ["3"]


async def test_without_a_user_the_application_reads_and_changes_any_channel(stack: Stack) -> None:
    await stack.run("channels", "create", "anyones", "--as", "ann")
    [channel] = await stack.json("channels", "add", "anyones", "newborn", "twin", "--members", "ben")
    assert channel["member_count"] == 4
    [channel] = await stack.json("channels", "remove", "anyones", "twin")
    members = await stack.json("channels", "members", "anyones")
    assert [member["user"] for member in members] == ["ann", "ben", "newborn"]
    tail = await _tail(stack, "--limit", "1", name="anyones", user="")
    await stack.json("send", "anyones", "hello", "--as", "newborn")
    async with asyncio.timeout(30):
        out, _ = await tail.communicate()
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["hello"]
    assert [m["text"] for m in await stack.json("history", "anyones")] == ["hello"]


async def test_the_user_of_the_environment_acts_where_none_is_named(stack: Stack) -> None:
    await stack.run("channels", "create", "mine", "--as", "ann", "--members", "ben")
    environment = {"TERTULIA_USER": "ben"}
    sent, _, _ = await _piped(stack, b"", "send", "mine", "by ben", environment=environment)
    named, _, _ = await _piped(stack, b"", "send", "mine", "by ann", "--as", "ann", environment=environment)
    assert (sent, named) == (0, 0)
    assert [m["author"] for m in await stack.json("history", "mine")] == ["ben", "ann"]


async def test_create_adds_who_is_missing_and_says_whose_a_taken_id_is(stack: Stack) -> None:
    await stack.run("channels", "create", "grown", "--as", "ann")
    code, _, err = await stack.run("channels", "create", "grown", "--members", "ben", "--as", "ann")
    assert (code, "there already; added to it: ben" in err) == (0, True)
    code, _, err = await stack.run("channels", "create", "grown", "--members", "ben", "--as", "ann")
    assert (code, err) == (0, "")
    code, _, err = await stack.run("channels", "create", "grown", "--as", "ben")
    assert code == 1
    assert "made by ann, with 2 members (CHANNEL_EXISTS)" in err


async def test_people_read_that_there_is_nothing_or_what_was_done(stack: Stack) -> None:
    code, out, err = await stack.run("channels", "list", "--as", "hermit")
    assert (code, out, "no channels" in err) == (0, "", True)
    await stack.run("channels", "create", "seen-once", "--members", "hermit", "--as", "ann")
    _, listed, _ = await stack.run("channels", "list", "--as", "hermit")
    assert listed.splitlines()[1].split() == ["seen-once", "seen-once", "0"]
    assert await stack.run("channels", "leave", "seen-once", "--as", "hermit") == (0, "hermit left seen-once\n", "")


async def test_an_import_accounts_for_every_line_and_doubles_nothing(stack: Stack) -> None:
    command = ("import", *map(str, SAMPLES), "--format", "irc", "--channel", "irc")
    first = await stack.json(*command)
    again = await stack.json(*command)
    history = await stack.json("history", "irc", "--as", "vinux")
    comparison = compare(SAMPLES, map(json.dumps, history))
    assert comparison.differences == []
    total, total_again = first[-1], again[-1]
    assert (total["lines"], total["messages"], total["actions"]) == (55, 36, 0)
    assert (total["system"], total["rejected"], total["sent"], total["already_there"]) == (17, 2, 36, 0)
    assert (total_again["sent"], total_again["already_there"]) == (0, 36)
    assert [(r["file"], r["line"]) for r in first if r["kind"] == "report"] == [
        ("2016-12-19_20.sample.txt", 6),
        ("2016-12-19_20.sample.txt", 7),
    ]


async def test_what_history_prints_can_be_imported(stack: Stack, tmp_path: Path) -> None:
    await stack.run("channels", "create", "source", "--as", "ann")
    for text in ("one", "two", "two"):
        await stack.json("send", "source", text, "--as", "ann")
    exported = await stack.json("history", "source", "--as", "ann")
    path = tmp_path / "source.jsonl"
    path.write_text("".join(json.dumps(message) + "\n" for message in exported))
    await stack.json("import", str(path), "--format", "jsonl", "--channel", "copy", "--as", "ann")
    copied = await stack.json("history", "copy", "--as", "ann")
    assert [(m["author"], m["text"], m["time_ms"]) for m in copied] == [
        (m["author"], m["text"], m["time_ms"]) for m in exported
    ]


async def test_history_can_be_piped_into_an_import(stack: Stack) -> None:
    await stack.run("channels", "create", "spring", "--as", "ann")
    for text in ("one", "two", "two"):
        await stack.json("send", "spring", text, "--as", "ann")
    _, exported, _ = await stack.run("history", "spring", "--json")
    command = ("--format", "jsonl", "--channel", "mouth")
    code, _, err = await _piped(stack, exported.encode(), "import", "-", *command)
    assert (code, "tertulia history mouth" in err) == (0, True)
    assert [(m["author"], m["text"], m["time_ms"]) for m in await stack.json("history", "mouth")] == [
        (m["author"], m["text"], m["time_ms"]) for m in map(json.loads, exported.splitlines())
    ]
    code, out, _ = await _piped(stack, exported.encode(), "import", "/dev/stdin", *command, "--json")
    total = json.loads(out.splitlines()[-1])
    assert (code, total["sent"], total["already_there"]) == (0, 0, 3)


async def test_an_import_of_which_every_line_was_rejected_has_failed(stack: Stack) -> None:
    arguments = ("import", "-", "--channel", "never", "--format")
    code, out, err = await _piped(stack, b"[07:09] <joe> hi\n", *arguments, "jsonl", "--json")
    assert (code, json.loads(out.splitlines()[-1])["rejected"]) == (1, 1)
    assert "nothing was imported" in err
    undated, _, err = await _piped(stack, b"[07:09] <joe> hi\n", *arguments, "irc")
    assert (undated, "--date" in err) == (2, True)
    dated, _, _ = await _piped(stack, b"[07:09] <joe> hi\n", *arguments, "irc", "--date", "2016-12-19")
    assert dated == 0


async def test_exit_codes_are_honest(stack: Stack, tmp_path: Path) -> None:
    async def code(*arguments: str) -> int:
        returned, out, err = await stack.run(*arguments)
        assert "Traceback" not in err + out
        assert returned == 0 or err
        return returned

    log = tmp_path / "undated.log"
    log.write_text("[07:09] <joe> hi\n")
    assert await code("token", "ann") == 0
    assert await code("send", "no-such-channel", "hi", "--as", "ann") == 1
    assert await code("users", "get", "nobody") == 1
    assert await code("token", "ann", "--as", "ben") == 2
    assert await code("channels", "add", "cli") == 2
    assert await code("--version") == 0
    assert await code("channels", "create", "-h") == 0
    assert await code("send", "no-such-channel") == 2
    assert await code("edit", "cli", str(1 << 64), "x", "--as", "ann") == 2
    assert await code("chat", "cli", "--as", "ann") == 2, "no terminal"
    assert await code("channels", "create", "d", "--kind", "direct", "--as", "ann") == 2
    assert await code("import", str(log), "--format", "irc", "--channel", "c") == 2
    assert await code("import", str(tmp_path / "missing"), "--format", "irc", "--channel", "c") == 2


async def test_a_server_that_is_not_there_is_exit_code_3_and_a_bad_secret_2() -> None:
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *("history", "team", "--as", "ann"),
        env={"TERTULIA_ADDRESS": f"127.0.0.1:{free_port()}", "PATH": ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (3, b"")
    assert b"no server answered" in err
    assert b"make run" in err
    assert b"within" not in err, "a refused connection is not waited for as a slow one is"
    process = await asyncio.create_subprocess_exec(
        COMMAND, "token", "ann", env={"TERTULIA_SECRET": "what?"}, stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert (process.returncode, b"sk.<application>" in err) == (2, True)


async def test_without_the_server_serve_says_what_to_install() -> None:
    """The command finds no entry point of the server: as where only the SDK is installed."""
    program = (
        "import importlib.metadata as m, sys;"
        "m.entry_points = lambda **_: m.EntryPoints();"
        "sys.argv = ['tertulia', 'serve', '--port', '1'];"
        "import tertulia.cli; tertulia.cli.main()"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE)
    _, err = await process.communicate()
    assert (process.returncode, b"pip install tertulia-server" in err) == (2, True)


async def test_a_key_that_is_too_short_is_refused_without_a_word_of_pythons(stack: Stack) -> None:
    code, _, err = await _piped(stack, b"", "users", "get", "ann", environment={"TERTULIA_SECRET": "sk.dev.dev.x"})
    assert (code, len(err.splitlines())) == (1, 1)
    assert "TOKEN_INVALID" in err


async def _piped(
    stack: Stack, data: bytes, *arguments: str, environment: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """Run a command with something on its standard input: its exit code, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *arguments,
        env={**stack.environment(), **(environment or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(data)
    return process.returncode or 0, out.decode(), err.decode()


async def _tail(stack: Stack, *options: str, name: str = "tailed", user: str = "ben") -> asyncio.subprocess.Process:
    """A tail that has begun."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *("tail", name, "--as", user, "--json", *options),
        env=stack.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    if "--after" not in options:
        assert process.stderr is not None
        assert b"listening" in await process.stderr.readline()
    return process
