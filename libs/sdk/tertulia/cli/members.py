"""Who is in a channel: `tertulia channels members`, `add`, `remove`, `role` and `leave`."""

from enum import StrEnum
from typing import Annotated

import typer

import tertulia
from tertulia.cli.console import channel_json, iso, print_json, table
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

Members = Annotated[str, typer.Option("--members", metavar="A,B", help="Users, separated by commas.")]
People = Annotated[list[str] | None, typer.Argument(metavar="USER...", help="Who.", show_default=False)]


class Role(StrEnum):
    """What a member may do."""

    MEMBER = "member"
    OPERATOR = "operator"
    OWNER = "owner"


def members(name: ChannelName, as_user: AsElseApplication = "", json: Json = False) -> None:
    """List a channel's members: what they may do, and how far they have got and read it."""

    async def main() -> None:
        async with user_or_server(as_user) as client:
            people = [each async for each in client.channels.members(name)]
        if json:
            for each in people:
                print_json(_member_json(each))
        else:
            rows = [
                (
                    each.user_id,
                    each.role.value if each.role is not tertulia.MemberRole.MEMBER else "",
                    str(each.delivered_seq),
                    str(each.read_seq),
                )
                for each in people
            ]
            table(("MEMBER", "ROLE", "DELIVERED UP TO", "READ UP TO"), rows)

    run(main())


def add(
    name: ChannelName,
    users: People = None,
    members: Members = "",
    as_user: AsElseApplication = "",
    json: Json = False,
) -> None:
    """Add people to a channel as its owner or operator, or without --as to any. Those who do not exist are made first."""
    people = names_of([*(users or ()), members])
    if not people:
        raise wrong_usage("nobody is named: tertulia channels add NAME USER...")

    async def main() -> None:
        async with server() as client:
            await client.users.ensure(people)
        async with user_or_server(as_user) as client:
            channel = await client.channels.add_members(name, people)
        print_members(channel, json)

    run(main())


def remove(
    name: ChannelName,
    users: People = None,
    members: Members = "",
    as_user: AsElseApplication = "",
    json: Json = False,
) -> None:
    """Remove people from a channel as its owner or operator, or without --as from any."""
    people = names_of([*(users or ()), members])
    if not people:
        raise wrong_usage("nobody is named: tertulia channels remove NAME USER...")

    async def main() -> None:
        async with user_or_server(as_user) as client:
            channel = await client.channels.remove_members(name, people)
        print_members(channel, json)

    run(main())


def role(
    name: ChannelName,
    user_id: Annotated[str, typer.Argument(metavar="USER", help="Whose.", show_default=False)],
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="member, operator or owner.", show_default=False)],
    as_user: AsElseApplication = "",
    json: Json = False,
) -> None:
    """Give a member another role: as an owner, or without --as in any channel."""

    async def main() -> None:
        async with user_or_server(as_user) as client:
            member = await client.channels.set_role(name, user_id, tertulia.MemberRole(role.value))
        if json:
            print_json(_member_json(member))
        else:
            typer.echo(f"{user_id} is {member.role.value} of {name}")

    run(main())


def leave(name: ChannelName, as_user: As, json: Json = False) -> None:
    """Leave a channel."""

    async def main() -> None:
        async with user(as_user) as client:
            await client.channels.leave(name)
        if json:
            print_json({"channel": name, "user": as_user, "left": True})
        else:
            typer.echo(f"{as_user} left {name}")

    run(main())


def print_members(channel: tertulia.Channel, json: bool) -> None:
    if json:
        print_json(channel_json(channel))
    else:
        typer.echo(f"{channel.member_count} members")


def _member_json(member: tertulia.Member) -> dict[str, object]:
    return {
        "user": member.user_id,
        "role": member.role.value,
        "joined": iso(member.join_time_ms),
        "read_seq": member.read_seq,
        "delivered_seq": member.delivered_seq,
    }
