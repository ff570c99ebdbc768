"""`tertulia replay`."""

import secrets
from contextlib import AbstractAsyncContextManager
from typing import Annotated

import typer

import tertulia
from tertulia.cli.console import complain, print_json, progress, table
from tertulia.cli.running import FAILED, ChannelName, Json, run, server, user, wrong_usage
from tertulia.replaying import script as scripts
from tertulia.replaying.player import Player, Result


def replay(
    name: ChannelName,
    clients: Annotated[int, typer.Option("--clients", min=1, max=10_000, metavar="N", help="Live clients.")] = 10,
    into: Annotated[
        str, typer.Option("--into", metavar="NAME", help="The channel to make; else NAME-replay- and some letters.")
    ] = "",
    speed: Annotated[
        float | None, typer.Option(min=0.001, metavar="X", help="So many times as fast as it was. Without it: --max.")
    ] = None,
    at_once: Annotated[bool, typer.Option("--max", help="As fast as it goes.")] = False,
    json: Json = False,
) -> None:
    """Play a channel's conversation into a new channel through live clients, and see whether everybody saw the same.

    The authors who say most have a client of their own each; for the others the application speaks. An author says a line when
    their client has been shown all lines of an earlier time (a minute, in IRC logs). At the end every client's view is held
    against the others' and against history: nothing missing, nothing twice, one order; if not, the exit code is 1.

    With several addresses in TERTULIA_ADDRESS a gateway may be killed meanwhile: its clients go on at another one.
    """
    if at_once and speed is not None:
        raise wrong_usage("--max or --speed? Name one")
    run(_replay(name, into or f"{name[:50]}-replay-{secrets.token_hex(3)}", clients, speed, json))


async def _replay(name: str, into: str, clients: int, speed: float | None, json: bool) -> None:
    async with server() as application:
        with progress(quiet=False) as bar:
            reading = bar.add_task(f"reading {name}", total=await application.messages.head(name))
            script = await scripts.read(
                application.messages.oldest_first(name), lambda seq: bar.update(reading, completed=seq)
            )
            if not script.lines:
                raise tertulia.NotFound(f"nothing was said in {name}", "MESSAGE_NOT_FOUND")
            people = [part.user_id for part in scripts.cast(script, clients)]
            everybody = list(dict.fromkeys([*people, *script.authors()]))
            await application.users.ensure(everybody)
            await application.channels.create_group(everybody, name=f"Replay of {name}", channel_id=into)
            complain(f"replaying {len(script.lines):,} lines of {name} into {into} through {clients} clients")
            playing = bar.add_task("playing", total=len(script.lines) * clients)
            player = Player(application, _client_of, into, lambda shown: bar.advance(playing, shown))
            result = await player.play(script, clients, speed)
    _print(name, script, result, json)
    for difference in result.differences:
        complain(difference)
    if result.differences:
        raise typer.Exit(FAILED)


def _client_of(user_id: str) -> AbstractAsyncContextManager[tertulia.Client]:
    return user(user_id, listens=True)


def _print(name: str, script: scripts.Script, result: Result, json: bool) -> None:
    rate = result.deliveries / result.seconds if result.seconds else 0.0
    shown, acknowledged = result.shown.milliseconds(), result.acknowledged.milliseconds()
    if json:
        print_json(
            {
                "replay": name,
                "channel": result.channel_id,
                "lines": result.lines,
                "deleted": script.deleted,
                "authors": len(script.authors()),
                "clients": result.clients,
                "deliveries": result.deliveries,
                "seconds": round(result.seconds, 3),
                "deliveries_per_second": round(rate),
                "shown_ms": shown,
                "acknowledged_ms": acknowledged,
                "reconnects": result.reconnects,
                "same_for_all": not result.differences,
                "differences": result.differences,
            }
        )
        return
    rows = [
        (what, *(f"{milliseconds:,.1f} ms" for milliseconds in times.values()))
        for what, times in (("until it was shown", shown), ("until it was acknowledged", acknowledged))
    ]
    table(["LATENCY OF A LINE", *(column.upper() for column in shown)], rows)
    typer.echo(
        f"{result.lines:,} lines, {result.clients} clients, {result.deliveries:,} deliveries in {result.seconds:.1f} s: "
        f"{rate:,.0f}/s; {result.reconnects} reconnections"
    )
    if not result.differences:
        typer.echo("everybody saw the same lines in the same order, and nothing is missing")
