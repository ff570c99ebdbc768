"""`tertulia users`."""

from typing import Annotated

import typer

import tertulia
from tertulia.cli.console import iso, print_json, table
from tertulia.cli.running import AsOptional, Json, run, user_or_server

app = typer.Typer(help="People's profiles.", no_args_is_help=True)

UserId = Annotated[str, typer.Argument(metavar="USER", help="The user's id.", show_default=False)]


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
            _print(await client.users.set(user_id, name=name, avatar_url=avatar_url), json)

    run(main())


@app.command()
def get(user_id: UserId, as_user: AsOptional = "", json: Json = False) -> None:
    """Print a user's profile."""

    async def main() -> None:
        async with user_or_server(as_user) as client:
            _print(await client.users.get(user_id), json)

    run(main())


def _print(found: tertulia.User, json: bool) -> None:
    if json:
        print_json(
            {
                "user": found.user_id,
                "name": found.name,
                "avatar_url": found.avatar_url,
                "created": iso(found.create_time_ms),
            }
        )
    else:
        table(("USER", "NAME", "AVATAR"), [(found.user_id, found.name, found.avatar_url)])
