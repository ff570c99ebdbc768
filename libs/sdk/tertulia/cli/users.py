"""`tertulia users`."""

from collections.abc import AsyncIterator
from typing import Annotated

import typer

import tertulia
from tertulia.cli.console import complain, iso, print_json, table
from tertulia.cli.running import As, AsOptional, Json, run, server, user, user_or_server

app = typer.Typer(help="People: profiles, who is blocked, and whose tokens are refused.", no_args_is_help=True)

UserId = Annotated[str, typer.Argument(metavar="USER", help="The user's id.", show_default=False)]
Whom = Annotated[str, typer.Argument(metavar="WHOM", help="The id of the other.", show_default=False)]


@app.command("set")
def set_(
    user_id: UserId,
    name: Annotated[str | None, typer.Option(help="The name to show.")] = None,
    avatar_url: Annotated[str | None, typer.Option(help="A picture: an https URL.")] = None,
    as_user: AsOptional = "",
    json: Json = False,
) -> None:
    """Make a user, or change what is given of one."""

    async def main() -> None:
        async with user_or_server(as_user) as client:
            _print([await client.users.set(user_id, name=name, avatar_url=avatar_url)], json)

    run(main())


@app.command()
def get(user_id: UserId, as_user: AsOptional = "", json: Json = False) -> None:
    """Print a user's profile."""

    async def main() -> None:
        async with user_or_server(as_user) as client:
            _print([await client.users.get(user_id)], json)

    run(main())


@app.command("list")
def list_(json: Json = False) -> None:
    """List all users, in order of their ids, with the server key."""

    async def main() -> None:
        async with server() as client:
            await _print_all(client.users.everyone(), "there are no users", json)

    run(main())


@app.command()
def search(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="How their names begin.", show_default=False)],
    as_user: AsOptional = "",
    json: Json = False,
) -> None:
    """Find users by their names."""

    async def main() -> None:
        async with user_or_server(as_user) as client:
            await _print_all(client.users.search(prefix), f"nobody's name begins with {prefix}", json)

    run(main())


@app.command()
def block(whom: Whom, as_user: As, json: Json = False) -> None:
    """Block somebody: no direct messages between the two any more, no being added to channels by them."""

    async def main() -> None:
        async with user(as_user) as client:
            await client.users.block(whom)
        _say(as_user, whom, blocked=True, json=json)

    run(main())


@app.command()
def unblock(whom: Whom, as_user: As, json: Json = False) -> None:
    """Take a block back."""

    async def main() -> None:
        async with user(as_user) as client:
            await client.users.unblock(whom)
        _say(as_user, whom, blocked=False, json=json)

    run(main())


@app.command()
def blocked(as_user: As, json: Json = False) -> None:
    """List whom one has blocked."""

    async def main() -> None:
        async with user(as_user) as client:
            await _print_all(client.users.blocked(), f"{as_user} has blocked nobody", json)

    run(main())


@app.command()
def revoke(
    user_id: UserId,
    session: Annotated[str, typer.Option(help="Only tokens with this claim `sid`.")] = "",
    json: Json = False,
) -> None:
    """Refuse all tokens that a user has so far, with the server key; who is connected with one is cut off."""

    async def main() -> None:
        async with server() as client:
            before_ms = await client.users.revoke_tokens(user_id, session_id=session)
        if json:
            print_json({"user": user_id, "session": session, "issued_before": iso(before_ms)})
        else:
            typer.echo(f"tokens of {user_id} that were issued before {iso(before_ms)} are refused")

    run(main())


def _say(who: str, whom: str, *, blocked: bool, json: bool) -> None:
    if json:
        print_json({"user": who, "whom": whom, "blocked": blocked})
    else:
        typer.echo(f"{who} has {'blocked' if blocked else 'unblocked'} {whom}")


async def _print_all(users: AsyncIterator[tertulia.User], nobody: str, json: bool) -> None:
    found = [each async for each in users]
    if not found and not json:
        complain(nobody)
    else:
        _print(found, json)


def _print(users: list[tertulia.User], json: bool) -> None:
    if not json:
        table(("USER", "NAME", "AVATAR"), [(each.user_id, each.name, each.avatar_url) for each in users])
        return
    for each in users:
        print_json(
            {
                "user": each.user_id,
                "name": each.name,
                "avatar_url": each.avatar_url,
                "created": iso(each.create_time_ms),
            }
        )
