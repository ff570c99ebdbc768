"""What all commands share: who acts, where, and how it ends."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Annotated

import typer

import tertulia
from tertulia.cli.console import complain
from tertulia.client import DEFAULT_ADDRESS
from tertulia.session import TokenProvider
from tertulia.tokens import DEVELOPMENT_SECRET

CONNECT_SECONDS = 5.0
"""A person is waiting: shorter than the SDK's default."""

FAILED, USAGE, UNREACHABLE = 1, 2, 3

As = Annotated[str, typer.Option("--as", metavar="USER", help="The user who acts.")]
AsOptional = Annotated[str, typer.Option("--as", metavar="USER", help="The user who acts; else the application.")]
Json = Annotated[bool, typer.Option("--json", help="JSON Lines on standard output, for scripts.")]
ChannelName = Annotated[str, typer.Argument(metavar="NAME", help="The channel's id.", show_default=False)]


def secret() -> tertulia.Secret:
    """The application's secret of the environment, or that of a development server."""
    return tertulia.Secret.parse(os.environ.get("TERTULIA_SECRET") or DEVELOPMENT_SECRET)


def user(user_id: str, event_buffer: int = 1_024) -> tertulia.Client:
    """A client that speaks for a user."""
    key = secret()

    async def token() -> str:
        return key.user_token(user_id)

    return _connect(token, event_buffer)


def server() -> tertulia.Client:
    """A client that speaks for the application, and may act for its users."""
    key = secret()

    async def token() -> str:
        return key.server_token()

    return _connect(token, event_buffer=1)


def _connect(token: TokenProvider, event_buffer: int) -> tertulia.Client:
    addresses = [part.strip() for part in (os.environ.get("TERTULIA_ADDRESS") or DEFAULT_ADDRESS).split(",")]
    return tertulia.connect(addresses, token_provider=token, connect_timeout=CONNECT_SECONDS, event_buffer=event_buffer)


def run(command: Coroutine[object, object, None]) -> None:
    """Run a command to its end and turn errors into a message and an exit code."""
    try:
        asyncio.run(command)
    except tertulia.SecretInvalid as error:
        complain(f"TERTULIA_SECRET: {error}")
        raise typer.Exit(USAGE) from None
    except (tertulia.Unreachable, tertulia.OutcomeUnknown, tertulia.Unavailable) as error:
        complain(str(error))
        raise typer.Exit(UNREACHABLE) from None
    except tertulia.Refused as error:
        fields = "".join(f"; {field}: {why}" for field, why in error.field_violations)
        complain(f"{error}{fields} ({error.reason})")
        raise typer.Exit(FAILED) from None
    except tertulia.TertuliaError as error:
        complain(str(error))
        raise typer.Exit(FAILED) from None


def wrong_usage(message: str) -> typer.Exit:
    """To be raised when arguments make no sense together."""
    complain(message)
    return typer.Exit(USAGE)


def split_names(names: str) -> list[str]:
    """`a,b` as a list, each once."""
    return list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
