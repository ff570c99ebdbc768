"""The `tertulia` command. One file per group of commands; the server adds its own by the entry-point group
`tertulia.commands`: a function that typer can make a command of, or a Typer app.
"""

import importlib.metadata
import os
import sys
import warnings
from typing import Annotated

import typer
from jwt.warnings import InsecureKeyLengthWarning

from tertulia.cli import amending, channels, chat, import_, messages, replay, tail, token, users
from tertulia.cli.console import complain
from tertulia.cli.running import FAILED, USAGE

ENTRY_POINTS = "tertulia.commands"

HELP = """Tertulia: in-app messaging.

Every command takes --json, for scripts: JSON Lines on standard output and nothing else there. They talk to the server at
TERTULIA_ADDRESS (default 127.0.0.1:7420; several separated by commas) with the application's TERTULIA_SECRET (default: that
of a development server). TERTULIA_USER takes the place of --as where a person speaks, reads or changes channels.

Exit codes: 0 done; 1 refused or failed, with a message that names the reason; 2 wrong usage; 3 no server could be reached,
or none answered in time; 130 interrupted.
"""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tertulia {importlib.metadata.version('tertulia')}")
        raise typer.Exit


def build() -> typer.Typer:
    """The whole command, with what is installed."""
    app = typer.Typer(
        name="tertulia",
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help: it is wrapped to the terminal's width, and `[hh:mm]` is text
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    app.command()(token.token)
    app.command()(chat.chat)
    app.command()(messages.send)
    app.command()(tail.tail)
    app.command()(messages.history)
    app.command()(amending.edit)
    app.command()(amending.delete)
    app.command()(amending.react)
    app.command()(amending.unreact)
    app.command()(amending.read)
    app.add_typer(channels.app, name="channels")
    app.add_typer(users.app, name="users")
    app.command("import")(import_.import_)
    app.command()(replay.replay)
    installed = importlib.metadata.entry_points(group=ENTRY_POINTS)
    for entry in installed:
        _add(app, entry)
    if "serve" not in installed.names:
        missing = "`serve` belongs to the server, which is not installed: pip install tertulia-server"
        _add_stub(app, "serve", "Run all of Tertulia on this machine.", missing, USAGE)
    return app


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version, and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def _add(app: typer.Typer, entry: importlib.metadata.EntryPoint) -> None:
    try:
        command = entry.load()
    except (ImportError, AttributeError) as error:
        broken = f"`{entry.name}` is installed but cannot be loaded: {error}"
        _add_stub(app, entry.name, broken, broken, FAILED)
        return
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=entry.name)
    else:
        app.command(entry.name)(command)


def _add_stub(app: typer.Typer, name: str, help_text: str, message: str, code: int) -> None:
    """A command that only says why it is none."""

    def stub() -> None:
        complain(message)
        raise typer.Exit(code)

    app.command(name, help=help_text, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(stub)


def main() -> None:
    """Run the command line. Ends the process."""
    # a key that is too short is a wrong one, which the server says better
    warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)
    try:
        build()()
    except OSError as error:  # nothing that a server said: a full disk, a terminal that has gone
        if os.environ.get("TERTULIA_DEBUG"):
            raise
        complain(f"failed: {error}")
        sys.exit(FAILED)
    except Exception as error:
        if os.environ.get("TERTULIA_DEBUG"):
            raise
        # the last resort: a user is to read a sentence, not a traceback
        complain(f"failed, which is a fault of tertulia itself: {error!r} (TERTULIA_DEBUG=1 shows where)")
        sys.exit(1)
