"""`tertulia token`: a token for a user's device, as the application's back end makes them."""

from typing import Annotated

import jwt
import typer

from tertulia import SecretInvalid
from tertulia.cli.console import complain, iso, print_json
from tertulia.cli.running import USAGE, Json, secret, wrong_usage
from tertulia.tokens import MAX_USER_TOKEN_SECONDS


def token(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user it speaks for.", show_default=False)] = "",
    server: Annotated[bool, typer.Option("--server", help="A server token, in place of a user's.")] = False,
    seconds: Annotated[
        int, typer.Option(min=1, max=MAX_USER_TOKEN_SECONDS, help="How long it is good.")
    ] = MAX_USER_TOKEN_SECONDS,
    as_user: Annotated[str, typer.Option("--as", metavar="USER", help="The same as USER.")] = "",
    json: Json = False,
) -> None:
    """Print a token. Needs no server."""
    if user and as_user and user != as_user:
        raise wrong_usage(f"for {user} or for {as_user}? Name one")
    user = user or as_user
    if bool(user) == server:
        raise wrong_usage("name a user, or --server")
    try:
        made = secret().server_token(seconds) if server else secret().user_token(user, seconds)
    except SecretInvalid as error:
        complain(f"TERTULIA_SECRET: {error}")
        raise typer.Exit(USAGE) from None
    if json:
        expires = jwt.decode(made, options={"verify_signature": False})["exp"] * 1000
        print_json({"token": made, "user": user, "server": server, "expires": iso(expires), "expires_ms": expires})
    else:
        typer.echo(made)
