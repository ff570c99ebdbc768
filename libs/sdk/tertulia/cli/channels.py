"""`tertulia channels`."""

from enum import StrEnum
from typing import Annotated

import typer

import tertulia
from tertulia.cli.console import complain, iso, message_json, print_json, table
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

Members = Annotated[str, typer.Option("--members", metavar="A,B", help="Users, separated by commas.")]
People = Annotated[list[str] | None, typer.Argument(metavar="USER...", help="Who.", show_default=False)]


class Kind(StrEnum):
    """What kind of channel."""

    GROUP = "group"
    DIRECT = "direct"


@app.command("list")
def list_(as_user: As, json: Json = False) -> None:
    """List one's channels, the latest activity first."""

    async def main() -> None:
        async with user(as_user, event_buffer=1) as client:
            mine = [each async for each in client.channels.mine()]
        if json:
            for each in mine:
                print_json(
                    _channel_json(each.channel)
                    | {
                        "head_seq": each.head_seq,
                        "read_seq": each.read_seq,
                        "unread": each.unread,
                        "peer": each.peer,
                        "last_message": message_json(each.last_message) if each.last_message else None,
                    }
                )
        elif not mine:
            complain(f"no channels: {as_user} is a member of none")
        else:
            rows = [
                (
                    each.channel.channel_id,
                    f"with {each.peer}" if each.peer else each.channel.name,
                    str(each.unread),
                    f"{each.last_message.author}: {each.last_message.text[:60]}" if each.last_message else "",
                )
                for each in mine
            ]
            table(("CHANNEL", "NAME", "UNREAD", "LAST MESSAGE"), rows)

    run(main())


@app.command()
def create(
    name: ChannelName,
    as_user: As,
    members: Members = "",
    kind: Annotated[
        Kind, typer.Option(help="A direct channel's id follows from its two members, not from NAME.")
    ] = Kind.GROUP,
    json: Json = False,
) -> None:
    """Make a channel, with the server key in the name of USER; users who do not exist are made first.

    Prints the channel's id. If USER made the group before, it is left as it is, but for members who are missing: they are
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
                channel = await _create_group(client, name, as_user, others)
        if json:
            print_json(_channel_json(channel))
        else:
            typer.echo(channel.channel_id)
            if kind is Kind.DIRECT and name != channel.channel_id:
                complain(f"the channel of {as_user} and {others[0]} is {channel.channel_id}, not {name}")

    run(main())


async def _create_group(client: tertulia.Client, name: str, creator: str, others: list[str]) -> tertulia.Channel:
    actor = client.acting_for(creator)
    try:
        channel = await actor.channels.create_group(others, name=name, channel_id=name)
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
    return await actor.channels.add_members(name, missing)


@app.command()
def members(name: ChannelName, as_user: AsElseApplication = "", json: Json = False) -> None:
    """List a channel's members, and how far they have read."""

    async def main() -> None:
        async with user_or_server(as_user) as client:
            people = [each async for each in client.channels.members(name)]
        if json:
            for each in people:
                print_json(
                    {
                        "user": each.user_id,
                        "role": "owner" if each.owner else "member",
                        "joined": iso(each.join_time_ms),
                        "read_seq": each.read_seq,
                    }
                )
        else:
            rows = [(each.user_id, "owner" if each.owner else "", str(each.read_seq)) for each in people]
            table(("MEMBER", "ROLE", "READ UP TO"), rows)

    run(main())


@app.command()
def add(
    name: ChannelName,
    users: People = None,
    members: Members = "",
    as_user: AsElseApplication = "",
    json: Json = False,
) -> None:
    """Add people to a group that USER owns, or without --as to any. Those who do not exist are made first."""
    people = names_of([*(users or ()), members])
    if not people:
        raise wrong_usage("nobody is named: tertulia channels add NAME USER...")

    async def main() -> None:
        async with server() as client:
            await client.users.ensure(people)
        async with user_or_server(as_user) as client:
            channel = await client.channels.add_members(name, people)
        _print_members(channel, json)

    run(main())


@app.command()
def remove(
    name: ChannelName,
    users: People = None,
    members: Members = "",
    as_user: AsElseApplication = "",
    json: Json = False,
) -> None:
    """Remove people from a group that USER owns, or without --as from any."""
    people = names_of([*(users or ()), members])
    if not people:
        raise wrong_usage("nobody is named: tertulia channels remove NAME USER...")

    async def main() -> None:
        async with user_or_server(as_user) as client:
            channel = await client.channels.remove_members(name, people)
        _print_members(channel, json)

    run(main())


@app.command()
def leave(name: ChannelName, as_user: As, json: Json = False) -> None:
    """Leave a group."""

    async def main() -> None:
        async with user(as_user, event_buffer=1) as client:
            await client.channels.leave(name)
        if json:
            print_json({"channel": name, "user": as_user, "left": True})
        else:
            typer.echo(f"{as_user} left {name}")

    run(main())


def _print_members(channel: tertulia.Channel, json: bool) -> None:
    if json:
        print_json(_channel_json(channel))
    else:
        typer.echo(f"{channel.member_count} members")


def _channel_json(channel: tertulia.Channel) -> dict[str, object]:
    return {
        "channel": channel.channel_id,
        "kind": channel.kind.value,
        "name": channel.name,
        "creator": channel.creator,
        "created": iso(channel.create_time_ms),
        "member_count": channel.member_count,
    }
