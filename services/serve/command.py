"""The command `tertulia serve`. The SDK's command line finds it by the entry-point group `tertulia.commands`."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_PORT = 7420
DEFAULT_WEB_PORT = 7480


def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1 that clients connect to; 0: any free one.")
    ] = DEFAULT_PORT,
    gateways: Annotated[
        int,
        typer.Option(
            min=1,
            max=16,
            metavar="N",
            help="How many gateways: clients that are given all their addresses move when one dies.",
        ),
    ] = 1,
    message_stores: Annotated[
        int,
        typer.Option(
            min=1,
            max=16,
            metavar="N",
            help="With --cassandra: how many processes share the logs; the others go on when one dies.",
        ),
    ] = 1,
    web_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help=f"Port of 127.0.0.1 for browsers; {DEFAULT_WEB_PORT} unless told, or any free one as --port is 0.",
        ),
    ] = None,
    data: Annotated[Path, typer.Option(help="Directory for everything that is kept.")] = Path(".tertulia"),
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65000, help="Serve Prometheus metrics, one port per service from this one on."),
    ] = None,
    cassandra: Annotated[
        str,
        typer.Option(
            metavar="HOST[:PORT],…",
            help="Keep everything in this Cassandra instead of SQLite files. Keyspace and tables are made if they are missing.",
        ),
    ] = "",
    keyspace: Annotated[str, typer.Option(help="With --cassandra: the keyspace.")] = "tertulia",
    nats: Annotated[
        str, typer.Option(metavar="nats://HOST:PORT", help="Use this NATS server instead of starting one.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Say that it is ready with a JSON object.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log to standard error, not into DATA/logs.")] = False,
) -> None:
    """Run all of Tertulia on this machine, for development. Ctrl-C stops it.

    Prints one line that begins with `ready` once everything answers.
    """
    # here, because every other command of the command line loads this module and needs none of it
    from services.serve.plan import Elsewhere  # noqa: PLC0415
    from services.serve.run import Options, run  # noqa: PLC0415

    if web_port is None:
        web_port = DEFAULT_WEB_PORT if port else 0
    options = Options(
        port=port,
        gateways=gateways,
        message_stores=message_stores,
        default_port=DEFAULT_PORT,
        web_port=web_port,
        data=data,
        metrics_port=metrics_port,
        elsewhere=Elsewhere(cassandra, keyspace, nats),
        json=json,
        verbose=verbose,
    )
    raise typer.Exit(run(options))
