"""`tertulia channels`; who is in them is in `members.py`."""

from enum import StrEnum
from typing import Annotated

import typer

import tertulia
from tertulia.cli import members as people
from tertulia.cli.console import channel_json, complain, message_json, print_json, table
from tertulia.cli.running import (
    As,
    AsElseApplication,
    ChannelName,
    Json,
    names_of,
    run,
    server,
    user,
    user_or_server,
    wrong_usage,
)

app = typer.Typer(help="Channels and who is in them.", no_args_is_help=True)
app.command()(people.members)
app.command()(people.add)
app.command()(people.remove)
app.command()(people.role)
app.command()(people.leave)

Title = Annotated[str | None, typer.Option("--name", help="The name to show.")]
CoverUrl = Annotated[str | None, typer.Option(help="A picture: an https URL.")]
CustomData = Annotated[str | None, typer.Option(help="Data of your own, usually JSON; at most 16 KiB.")]
SlowMode = Annotated[
    int | None,
    typer.Option("--slow-mode", min=0, max=21_600, metavar="SECONDS", help="How long members wait between messages."),
]


class Kind(StrEnum):
    """What kind of channel."""

    GROUP = "group"
    DIRECT = "direct"
    OPEN = "open"
    BROADCAST = "broadcast"


@app.command("list")
def list_(
    as_user: As,
    hidden: Annotated[bool, typer.Option("--hidden", help="Hidden ones, too.")] = False,
    json: Json = False,
) -> None:
    """List one's channels: pinned ones first, then the latest activity."""

    async def main() -> None:
        async with user(as_user) as client:
            mine = [each async for each in client.channels.mine(include_hidden=hidden)]
        if json:
            for each in mine:
                print_json(_my_channel_json(each))
        elif not mine:
            complain(f"no channels: {as_user} is a member of none")
        else:
            table(("CHANNEL", "NAME", "UNREAD", "LAST MESSAGE"), [_my_channel_row(each) for each in mine])

    run(main())


@app.command("open")
def open_(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="How their names begin.")] = "",
    as_user: AsElseApplication = "",
    json: Json = False,
) -> None:
    """List the open channels, which anybody may join, in order of their names."""

    async def main() -> None:
        async with user_or_server(as_user) as client:
            found = [each async for each in client.channels.open(prefix)]
        if json:
            for each in found:
                print_json(channel_json(each))
        elif not found:
            complain("no open channels" + (f" whose names begin with {prefix}" if prefix else ""))
        else:
            rows = [(each.channel_id, each.name, str(each.member_count)) for each in found]
            table(("CHANNEL", "NAME", "MEMBERS"), rows)

    run(main())


@app.command()
def create(
    name: ChannelName,
    as_user: As,
    members: people.Members = "",
    kind: Annotated[
        Kind, typer.Option(help="A direct channel's id follows from its two members, not from NAME.")
    ] = Kind.GROUP,
    json: Json = False,
) -> None:
    """Make a channel, with the server key in the name of USER; users who do not exist are made first.

    Prints the channel's id. If USER made the channel before, it is left as it is, but for members who are missing: they are
    added.
    """
    others = [member for member in names_of([members]) if member != as_user]
    if kind is Kind.DIRECT and len(others) != 1:
        raise wrong_usage("a direct channel has exactly two members: --as and one more in --members")

    async def main() -> None:
        async with server() as client:
            await client.users.ensure([as_user, *others])
            if kind is Kind.DIRECT:
                channel = await client.acting_for(as_user).channels.create_direct(others[0])
            else:
                channel = await _create(client, tertulia.ChannelKind(kind.value), name, as_user, others)
        if json:
            print_json(channel_json(channel))
        else:
            typer.echo(channel.channel_id)
            if kind is Kind.DIRECT and name != channel.channel_id:
                complain(f"the channel of {as_user} and {others[0]} is {channel.channel_id}, not {name}")

    run(main())


async def _create(
    client: tertulia.Client, kind: tertulia.ChannelKind, name: str, creator: str, others: list[str]
) -> tertulia.Channel:
    actor = client.acting_for(creator)
    try:
        channel = await actor.channels.create(kind, others, name=name, channel_id=name)
    except tertulia.AlreadyExists as error:
        there = await client.channels.get(name)
        whose = there.creator or "the application"
        raise tertulia.AlreadyExists(
            f"there is a {there.kind.value} channel {name} already, made by {whose}, with {there.member_count} members",
            error.reason,
        ) from None
    there_already = {member.user_id async for member in client.channels.members(name)}
    missing = [user_id for user_id in others if user_id not in there_already]
    if not missing:
        return channel
    complain(f"{name} was there already; added to it: {', '.join(missing)}")
    return await client.channels.add_members(name, missing)


@app.command()
def update(
    name: ChannelName,
    as_user: AsElseApplication = "",
    title: Title = None,
    cover_url: CoverUrl = None,
    custom_data: CustomData = None,
    slow_mode: SlowMode = None,
    etag: Annotated[str, typer.Option(help="Only if the channel still has this etag.")] = "",
    json: Json = False,
) -> None:
    """Change what is shown of a channel, or its slow mode: as its owner or operator, or without --as any."""
    if title is None and cover_url is None and custom_data is None and slow_mode is None:
        raise wrong_usage("nothing to change: name one of --name, --cover-url, --custom-data, --slow-mode")

    async def main() -> None:
        async with user_or_server(as_user) as client:
            channel = await client.channels.update(
                name, name=title, cover_url=cover_url, custom_data=custom_data, slow_mode_seconds=slow_mode, etag=etag
            )
        if json:
            print_json(channel_json(channel))
        else:
            typer.echo(f"{name} is changed")

    run(main())


@app.command()
def delete(name: ChannelName, as_user: AsElseApplication = "", json: Json = False) -> None:
    """Delete a channel with all that was said in it, for everybody and for ever: as its owner, or without --as any."""

    async def main() -> None:
        async with user_or_server(as_user) as client:
            await client.channels.delete(name)
        if json:
            print_json({"channel": name, "deleted": True})
        else:
            typer.echo(f"{name} is deleted")

    run(main())


@app.command()
def join(name: ChannelName, as_user: As, json: Json = False) -> None:
    """Join an open channel."""

    async def main() -> None:
        async with user(as_user) as client:
            channel = await client.channels.join(name)
        people.print_members(channel, json)

    run(main())


@app.command()
def pref(
    name: ChannelName,
    as_user: As,
    mute: Annotated[bool | None, typer.Option("--mute/--unmute", help="No notifications, please.")] = None,
    pin: Annotated[bool | None, typer.Option("--pin/--unpin", help="Listed before all others.")] = None,
    hide: Annotated[bool | None, typer.Option("--hide/--unhide", help="Not listed, until the next message.")] = None,
    unread: Annotated[
        bool | None, typer.Option("--mark-unread/--unmark-unread", help="Shown as unread although it was read.")
    ] = None,
    json: Json = False,
) -> None:
    """Say how one wants to have a channel, and print it. Nobody else sees it."""

    async def main() -> None:
        async with user(as_user) as client:
            preferences = await client.channels.set_preferences(
                name, muted=mute, pinned=pin, hidden=hide, marked_unread=unread
            )
        values = _preferences_json(preferences)
        if json:
            print_json({"channel": name, "user": as_user, **values})
        else:
            typer.echo(", ".join(word for word, wanted in values.items() if wanted) or "as any other channel")

    run(main())


def _my_channel_json(mine: tertulia.MyChannel) -> dict[str, object]:
    return channel_json(mine.channel) | {
        "head_seq": mine.head_seq,
        "read_seq": mine.read_seq,
        "delivered_seq": mine.delivered_seq,
        "unread": mine.unread,
        "mentions": mine.mention_count,
        "peer": mine.peer,
        "role": mine.role.value,
        **_preferences_json(mine.preferences),
        "hidden": mine.hidden,
        "last_message": message_json(mine.last_message) if mine.last_message else None,
    }


def _my_channel_row(mine: tertulia.MyChannel) -> tuple[str, ...]:
    name = f"with {mine.peer}" if mine.peer else mine.channel.name
    marks = [word for word, wanted in _preferences_json(mine.preferences).items() if wanted and word != "marked_unread"]
    unread = f"{mine.unread} (@{mine.mention_count})" if mine.mention_count else str(mine.unread)
    last = mine.last_message
    said = "" if last is None else f"{last.author}: {'(deleted)' if last.deleted else last.text[:60]}"
    return (
        mine.channel.channel_id,
        f"{name} ({', '.join(marks)})" if marks else name,
        f"{unread} •" if mine.preferences.marked_unread else unread,
        said,
    )


def _preferences_json(preferences: tertulia.Preferences) -> dict[str, bool]:
    return {
        "muted": preferences.muted,
        "pinned": preferences.pinned,
        "hidden": preferences.hidden,
        "marked_unread": preferences.marked_unread,
    }
