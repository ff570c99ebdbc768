"""JSON Lines: one object per line, in UTF-8.

    {"author": "alice", "time": "2024-05-01T12:00:00Z", "text": "hello"}

`author` is the user id. `time` is ISO 8601 with an offset, or milliseconds since the Unix epoch. `text` may be left out where
`custom_data` (a string) is given; `custom_type` (a string) names its kind. `mentions` is a list of user ids. `reply_to` is the
`seq` of another line of the file, above this one. Other members are passed over, so what `tertulia history --json` prints can
be imported: with texts as they are now, and without reactions. A line that says `"deleted": true` is rejected: there is
nothing left of it.
"""

import json
from datetime import datetime

from tertulia.importing.records import Record, Rejected, Said, checked


def parse(line: bytes) -> Record:
    """One line."""
    try:
        entry = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Rejected("not UTF-8")
    except (json.JSONDecodeError, RecursionError) as error:
        return Rejected(f"not JSON: {error}")
    if not isinstance(entry, dict):
        return Rejected("not a JSON object")
    author, text = entry.get("author"), entry.get("text", "")
    custom_type, custom_data = entry.get("custom_type", ""), entry.get("custom_data", "")
    if not (isinstance(author, str) and isinstance(text, str)):
        return Rejected("author and text must be strings")
    if not (isinstance(custom_type, str) and isinstance(custom_data, str)):
        return Rejected("custom_type and custom_data must be strings")
    if entry.get("deleted") is True:
        return Rejected("it was deleted")
    mentions = entry.get("mentions", [])
    if not (isinstance(mentions, list) and all(isinstance(user_id, str) for user_id in mentions)):
        return Rejected("mentions must be a list of strings")
    seq, reply_to = entry.get("seq", 0), entry.get("reply_to", 0)
    if type(seq) is not int or type(reply_to) is not int:
        return Rejected("seq and reply_to must be whole numbers")
    time_ms = _time_ms(entry.get("time"))
    if time_ms is None:
        return Rejected("time must be ISO 8601 with an offset, or milliseconds since the Unix epoch")
    return checked(
        Said(
            author=author,
            time_ms=time_ms,
            text=text,
            key="\0".join(("jsonl", str(time_ms), author, text, custom_type, custom_data)),
            custom_type=custom_type,
            custom_data=custom_data,
            mentions=tuple(mentions),
            seq=seq,
            reply_to=reply_to,
        )
    )


def _time_ms(time: object) -> int | None:
    if isinstance(time, int) and not isinstance(time, bool):
        return time
    if not isinstance(time, str):
        return None
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return None if moment.tzinfo is None else round(moment.timestamp() * 1000)
