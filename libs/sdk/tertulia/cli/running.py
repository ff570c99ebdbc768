"""What all commands share: who acts, where, and how it ends."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Annotated

import typer

import tertulia
from tertulia.addresses import DEFAULT_ADDRESS, AddressInvalid, listed
from tertulia.buffer import DEFAULT_CAPACITY
from tertulia.cli.console import complain
from tertulia.cli.reaching import somebody_listens
from tertulia.cli.refusals import explained
from tertulia.session import TokenProvider
from tertulia.tokens import DEVELOPMENT_SECRET

CONNECT_SECONDS = 5.0
"""A person is waiting: shorter than the SDK's default."""

FAILED, USAGE, UNREACHABLE = 1, 2, 3

USER_VARIABLE = "TERTULIA_USER"

MAX_SEQ = 2**53 - 1
"""The largest that there can be, as the protos say."""

As = Annotated[str, typer.Option("--as", metavar="USER", envvar=USER_VARIABLE, help="The user who acts.")]
AsElseApplication = Annotated[
    str, typer.Option("--as", metavar="USER", envvar=USER_VARIABLE, help="The user who acts; else the application.")
]
AsOptional = Annotated[str, typer.Option("--as", metavar="USER", help="The user who acts; else the application.")]
Json = Annotated[bool, typer.Option("--json", help="JSON Lines on standard output, for scripts.")]
ChannelName = Annotated[str, typer.Argument(metavar="NAME", help="The channel's id.", show_default=False)]


def secret() -> tertulia.Secret:
    """The application's secret of the environment, or that of a development server."""
    return tertulia.Secret.parse(os.environ.get("TERTULIA_SECRET") or DEVELOPMENT_SECRET)


@asynccontextmanager
async def user(user_id: str, *, listens: bool = False) -> AsyncIterator[tertulia.Client]:
    """A client that speaks for a user. One that only asks or says something marks nothing as delivered."""
    if not user_id:
        raise wrong_usage("--as names nobody")
    key = secret()

    async def token() -> str:
        return key.user_token(user_id)

    async with _connected(token, listens=listens) as client:
        yield client


@asynccontextmanager
async def server() -> AsyncIterator[tertulia.Client]:
    """A client that speaks for the application, and may act for its users."""
    key = secret()

    async def token() -> str:
        return key.server_token()

    async with _connected(token, listens=False) as client:
        yield client


@asynccontextmanager
async def user_or_server(user_id: str) -> AsyncIterator[tertulia.Client]:
    """A client for calls: of a user, or where none is named of the application."""
    async with user(user_id) if user_id else server() as client:
        yield client


@asynccontextmanager
async def _connected(token: TokenProvider, *, listens: bool) -> AsyncIterator[tertulia.Client]:
    addresses = listed(os.environ.get("TERTULIA_ADDRESS") or DEFAULT_ADDRESS)
    await somebody_listens(addresses)
    client = tertulia.connect(
        addresses,
        token_provider=token,
        connect_timeout=CONNECT_SECONDS,
        event_buffer=DEFAULT_CAPACITY if listens else 1,
        receipts=listens,
    )
    try:
        await client.__aenter__()
    except tertulia.Unreachable as error:
        where = " or ".join(addresses)
        raise tertulia.Unreachable(f"no server answered at {where} within {CONNECT_SECONDS:g} s") from error
    try:
        yield client
    finally:
        await client.close()


def run(command: Coroutine[object, object, None]) -> None:
    """Run a command to its end and turn errors into a message and an exit code."""
    try:
        asyncio.run(command)
    except AddressInvalid as error:
        complain(f"TERTULIA_ADDRESS: {error}")
        raise typer.Exit(USAGE) from None
    except tertulia.SecretInvalid as error:
        complain(f"TERTULIA_SECRET: {error}")
        raise typer.Exit(USAGE) from None
    except tertulia.Unreachable as error:
        complain(f"{error}; is `make run` (`tertulia serve`) running? TERTULIA_ADDRESS says where")
        raise typer.Exit(UNREACHABLE) from None
    except (tertulia.OutcomeUnknown, tertulia.Unavailable) as error:
        complain(str(error))
        raise typer.Exit(UNREACHABLE) from None
    except tertulia.Refused as error:
        complain(explained(error))
        raise typer.Exit(FAILED) from None
    except tertulia.TertuliaError as error:
        complain(str(error))
        raise typer.Exit(FAILED) from None


def wrong_usage(message: str) -> typer.Exit:
    """To be raised when arguments make no sense together."""
    complain(message)
    return typer.Exit(USAGE)


def names_of(words: Iterable[str]) -> list[str]:
    """The names in words of which each may hold several, as in `a,b`; each once."""
    return list(dict.fromkeys(name.strip() for word in words for name in word.split(",") if name.strip()))
