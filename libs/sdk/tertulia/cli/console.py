"""What the commands write: results to standard output, all else to standard error; safe against control characters in
what other people wrote."""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tertulia.events import (
    ChannelChanged,
    ChannelDeleted,
    LogEvent,
    MembershipChanged,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReactionChanged,
)
from tertulia.models import Channel, Message, utc

# these change the direction or place of what stands beside them, and so what a line seems to say
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_VISIBLE = (
    {code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)}  # ␀ … ␟
    | {0x09: "    ", 0x7F: "␡"}
    | {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}
    | {code: f"\\u{code:04x}" for code in _DIRECTIONS}
)
# JSON escapes those below 0x20 by itself, and half a surrogate pair (in an argument that is not UTF-8) is not UTF-8 either
_ESCAPED = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *_DIRECTIONS, *range(0xD800, 0xE000))}
_PIPE_WIDTH = 240  # columns of a table that nobody looks at in a window
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")


def safe(text: str) -> str:
    """Text with every character visible that a terminal would obey: no message can move the cursor, recolour the screen or
    pose as another line. Lines after the first are marked."""
    return text.replace("\r\n", "\n").translate(_VISIBLE).rstrip("\n").replace("\n", "\n      │ ")


def out() -> Console:
    """Standard output, for people."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def complain(message: str) -> None:
    """One line on standard error."""
    print(f"tertulia: {safe(message)}", file=sys.stderr, flush=True)  # noqa: T201 - this is the command line


def print_json(values: Mapping[str, object]) -> None:
    """One JSON line on standard output, at once, in UTF-8. What a terminal would obey is escaped."""
    line = json.dumps(values, ensure_ascii=False).translate(_ESCAPED)
    sys.stdout.buffer.write(line.encode() + b"\n")
    sys.stdout.buffer.flush()


def iso(time_ms: int) -> str:
    """ISO 8601 in UTC."""
    return utc(time_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def message_json(message: Message) -> dict[str, object]:
    """A message as every command prints it; members that say nothing are left out."""
    values: dict[str, object] = {
        "seq": message.seq,
        "author": message.author,
        "time": iso(message.time_ms),
        "text": message.text,
        "state": "sent",
        "time_ms": message.time_ms,
        "client_message_id": message.client_message_id,
    }
    extra: dict[str, object] = {
        "reply_to": message.reply_to,
        "mentions": list(message.mentions),
        "custom_type": message.custom_type,
        "custom_data": message.custom_data,
        "imported": message.imported,
        "edited": iso(message.edit_time_ms) if message.edited else "",
        "deleted": message.deleted,
        "deleted_by": message.deleted_by,
        "reactions": [
            {"key": each.key, "count": each.count, "users": list(each.user_ids)} for each in message.reactions
        ],
        "reply_count": message.reply_count,
    }
    return values | {name: value for name, value in extra.items() if value}


def log_event_json(event: LogEvent) -> dict[str, object]:
    """What happened in a channel, as every command prints it: `event` says what."""
    match event:
        case MessageReceived(message):
            return {"event": "message", **message_json(message)}
        case MembershipChanged():
            what: dict[str, object] = {
                "event": "members",
                "added": list(event.added),
                "removed": list(event.removed),
                "roles": {user_id: role.value for user_id, role in event.roles.items()},
            }
        case MessageEdited():
            what = {"event": "edited", "target": event.target, "text": event.text, "mentions": list(event.mentions)}
        case MessageDeleted():
            what = {"event": "deleted", "target": event.target}
        case ReactionChanged():
            what = {"event": "reaction", "target": event.target, "key": event.key, "removed": event.removed}
        case ChannelChanged():
            what = {"event": "channel_changed"}
        case ChannelDeleted():
            what = {"event": "channel_deleted"}
    return what | {"seq": event.seq, "by": event.by}


def channel_json(channel: Channel) -> dict[str, object]:
    """A channel as every command prints it."""
    return {
        "channel": channel.channel_id,
        "kind": channel.kind.value,
        "name": channel.name,
        "creator": channel.creator,
        "created": iso(channel.create_time_ms),
        "member_count": channel.member_count,
        "cover_url": channel.cover_url,
        "custom_data": channel.custom_data,
        "slow_mode_seconds": channel.slow_mode_seconds,
        "etag": channel.etag,
    }


def shown_name(user_id: str, name: str) -> str:
    """A person for people: never without the id, since anybody may take any name."""
    first_line = next(iter(safe(name).splitlines()), "")
    shown_id = safe(user_id) or "(application)"
    return f"{first_line} ({shown_id})" if first_line and name != user_id else shown_id


def message_text(
    message: Message, today: datetime | None = None, names: Mapping[str, str] | None = None, seq: bool = False
) -> Text:
    """A message for people, in local time: with its seq, and with the names of people beside their ids, where asked for."""
    local = message.time.astimezone()
    now = today or datetime.now().astimezone()
    line = Text()
    if seq:
        line.append(f"{message.seq:>5}  ", style="dim")
    line.append(local.strftime("%H:%M " if local.date() == now.date() else "%Y-%m-%d %H:%M "), style="dim")
    author = shown_name(message.author, (names or {}).get(message.author, ""))
    colour = _COLOURS[sum(message.author.encode()) % len(_COLOURS)]
    if message.custom_type == "irc.action":
        line.append(f"* {author} ", style=colour)
    else:
        line.append(f"{author}  ", style=f"bold {colour}")
    if message.reply_to:
        line.append(f"(to {message.reply_to}) ", style="dim")
    line.append(*_content(message))
    if message.edited and not message.deleted:
        line.append(" (edited)", style="dim")
    for reaction in message.reactions:
        line.append(f"  {safe(reaction.key)} {reaction.count}", style="dim")
    if message.reply_count:
        line.append(f"  ↩ {message.reply_count}", style="dim")
    return line


def _content(message: Message) -> tuple[str, str]:
    """What a message says, and in which style."""
    if message.deleted:
        return "(deleted)", "dim italic"
    return safe(message.text) if message.text else f"[{safe(message.custom_type) or 'custom data'}]", "default"


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Rows for people."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(safe(cell)) for cell in row))
    console = out()
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(grid)


def progress(quiet: bool) -> Progress:
    """A bar on standard error; nothing where that is no terminal, or `quiet`."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,  # results go where they belong
        disable=quiet or not console.is_terminal,
    )
