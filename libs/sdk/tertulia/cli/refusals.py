"""What a server's no means to somebody who uses the command."""

import re

import tertulia

_CHANNEL_ID = re.compile(r"(^|[.\]])channel_id$")
_USER_ID = re.compile(r"(^|[.\]])user_ids?(\[\d+\])?$")
_INDEX = re.compile(r"^(sends|calls|users|message)(\[\d+\])?\.")  # of the one thing that the command asked for
_COMMANDS = {"UserService.UpsertUsers": "`tertulia users set USER`"}


def explained(refusal: tertulia.Refused) -> str:
    """The refusal as a sentence, with its reason by name."""
    text = str(refusal)
    if refusal.field_violations:  # the message names the first of them, too
        text = "; ".join(dict.fromkeys(_field(*violation) for violation in refusal.field_violations))
    for method, command in _COMMANDS.items():
        text = text.replace(method, command)
    return f"{text} ({refusal.reason})"


def _field(field: str, description: str) -> str:
    if "regex pattern" in description:
        if _CHANNEL_ID.search(field):
            return "a channel id has 1 to 64 letters, digits, _ or -"
        if _USER_ID.search(field):
            return "a user id has 1 to 128 bytes and no control characters"
        if field.endswith("avatar_url"):
            return "a picture is an https:// URL without blanks"
    return f"{_INDEX.sub('', field)}: {description}"
