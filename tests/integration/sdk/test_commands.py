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
    [mine] = await stack.json("channels", "list", "--as", "ann")
    assert (mine["channel"], mine["unread"], mine["kind"]) == ("cli", 2, "group")
    members = await stack.json("channels", "members", "cli", "--as", "ann")
    assert [(m["user"], m["role"]) for m in members] == [("ann", "owner"), ("ben", "member")]


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


async def test_chat_speaks_json_lines_to_scripts(stack: Stack) -> None:
    await stack.run("channels", "create", "scripted", "--as", "ann")
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *("chat", "scripted", "--as", "ann", "--json"),
        env=stack.environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        await process.communicate(b"one\ntwo\n")
    assert process.returncode == 0
    assert [m["text"] for m in await stack.json("history", "scripted", "--as", "ann")] == ["one", "two"]


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
    assert await code("send", "no-such-channel") == 2
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


async def _tail(stack: Stack, *options: str) -> asyncio.subprocess.Process:
    """A tail that has begun."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *("tail", "tailed", "--as", "ben", "--json", *options),
        env=stack.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    if "--after" not in options:
        assert process.stderr is not None
        assert b"listening" in await process.stderr.readline()
    return process
