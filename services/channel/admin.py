"""Commands on the service's database, for operators. On SQLite they hold its lock: stop the service first.

python -m services.channel create-application NAME                 prints the application's secret, this once
python -m services.channel create-key APPLICATION                  prints another secret of the application, this once
python -m services.channel add-public-keys APPLICATION KEY_SET     tokens signed with keys whose public halves these are, are good, too
python -m services.channel withdraw-key APPLICATION KEY            tokens signed with that key are refused from then on
python -m services.channel search-by-users APPLICATION on|off      whether its users may search for each other by name
python -m services.channel guests APPLICATION on|off               whether guests may read its open channels
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated

import typer

from libs.directory.applications import ALL_SCOPES, Scope
from libs.directory.directory import Directory
from libs.runtime.errors import CannotStart
from libs.runtime.logs import configure_logs
from libs.runtime.process import report_failure
from libs.runtime.settings import load_settings
from services.channel.applications import Applications, KeyIdTaken
from services.channel.clock import now_ms
from services.channel.key_set import MAX_BYTES, KeySetMalformed, parse_key_set
from services.channel.secret_string import ID_FORM, format_secret, new_key
from services.channel.settings import ChannelSettings, CommandSettings
from services.channel.stores import open_directory

Scopes = Annotated[
    list[Scope] | None,
    typer.Option(help="What tokens of the key are good for; several times for several. Without it: everything."),
]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Administers the channel service's database.")


@app.command()
def create_application(name: str) -> None:
    """Make an application and print its secret (TERTULIA_SECRET), which is not shown again.

    NAME is its id: letters, digits, _ and -, at most 64.
    """

    async def create(directory: Directory) -> None:
        if not ID_FORM.fullmatch(name):
            raise CannotStart(f"{name!r}: an application's id is 1 to 64 letters, digits, _ and -")
        key = await Applications(directory.applications, now_ms).create(name)
        if key is None:
            raise CannotStart(f"there is an application {name!r} already")
        typer.echo(format_secret(key))

    _with_directory(create)


@app.command()
def create_key(application: str, scope: Scopes = None) -> None:
    """Make another key for an application and print its secret, which is not shown again. The keys that it has stay good: once all
    its back ends use the new one, withdraw the old one, and nobody was locked out meanwhile.
    """

    async def create(directory: Directory) -> None:
        if await directory.applications.get(application) is None:
            raise CannotStart(f"there is no application {application!r}")
        typer.echo(format_secret(await directory.applications.create_key(new_key(application, _all_or(scope)))))

    _with_directory(create)


@app.command()
def add_public_keys(
    application: str,
    key_set: typer.FileBinaryRead,
    scope: Scopes = None,
) -> None:
    """Take tokens that are signed with a private key that never leaves whoever makes them.

    KEY_SET is a file with a JSON Web Key Set (RFC 7517), or - for standard input: public keys of Ed25519 or RSA, each with a `kid`.
    Those that are there already stay; prints the `kid` of the others, a line each.
    """

    async def add(directory: Directory) -> None:
        if await directory.applications.get(application) is None:
            raise CannotStart(f"there is no application {application!r}")
        try:
            keys = parse_key_set(application, key_set.read(MAX_BYTES + 1), _all_or(scope))
            added = await Applications(directory.applications, now_ms).add_public_keys(keys)
        except (KeySetMalformed, KeyIdTaken) as error:
            raise CannotStart(f"{key_set.name}: {error}") from None
        for key in added:
            typer.echo(key.key_id)

    _with_directory(add)


@app.command()
def withdraw_key(application: str, key: str) -> None:
    """Withdraw a key for ever. Gateways forget it when what they remember of it expires."""

    async def withdraw(directory: Directory) -> None:
        if await directory.applications.get_key(application, key) is None:
            raise CannotStart(f"application {application!r} has no key {key!r}")
        await directory.applications.withdraw_key(application, key)

    _with_directory(withdraw)


class Switch(StrEnum):
    ON = "on"
    OFF = "off"


@app.command()
def search_by_users(application: str, switch: Switch) -> None:
    """Allow an application's users to search for each other by name, or no longer. Its server keys may in any case."""

    async def allow(directory: Directory) -> None:
        if await directory.applications.get(application) is None:
            raise CannotStart(f"there is no application {application!r}")
        await directory.applications.allow_search(application, allowed=switch is Switch.ON)

    _with_directory(allow)


@app.command()
def guests(application: str, switch: Switch) -> None:
    """Let guests read an application's open channels, or no longer. Gateways learn of it when what they remember of its keys expires."""

    async def allow(directory: Directory) -> None:
        if await directory.applications.get(application) is None:
            raise CannotStart(f"there is no application {application!r}")
        await directory.applications.allow_guests(application, allowed=switch is Switch.ON)

    _with_directory(allow)


def _all_or(scopes: list[Scope] | None) -> frozenset[Scope]:
    return frozenset(scopes) if scopes else ALL_SCOPES


def _with_directory(command: Callable[[Directory], Awaitable[None]]) -> None:
    async def run(settings: ChannelSettings) -> None:
        async with open_directory(settings) as directory:
            await command(directory)

    configure_logs(ChannelSettings.service, "info")
    try:
        asyncio.run(run(load_settings(CommandSettings)))
    except Exception as error:  # noqa: BLE001 - the last place: what got here ends the process
        report_failure(error)
        raise SystemExit(1) from None
