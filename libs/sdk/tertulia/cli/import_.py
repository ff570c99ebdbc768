"""`tertulia import`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tertulia.cli.console import complain, print_json, progress, table
from tertulia.cli.running import FAILED, AsOptional, Json, run, server, wrong_usage
from tertulia.importing.importer import Importer, Tally
from tertulia.importing.records import Said
from tertulia.importing.source import Format, Source, SourceInvalid


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Files, in the order of what they hold.", exists=True, dir_okay=False, readable=True
        ),
    ],
    form: Annotated[Format, typer.Option("--format", help="How they are written.")],
    channel: Annotated[str, typer.Option("--channel", metavar="NAME", help="The channel's id.")],
    as_user: AsOptional = "",
    concurrency: Annotated[
        int, typer.Option(min=1, max=1_000, help="Messages that may wait for their acknowledgement.")
    ] = 512,
    json: Json = False,
) -> None:
    """Import conversations with the server key, keeping their order, authors and times.

    The channel is made if it is missing (--as is its creator), and so are the authors, who become its members. Every line is
    counted; those that are not imported are reported with their numbers and do not end the import. Imported again, nothing is
    doubled.

    irc: the date is in the file's name (YYYY-MM-DD); "[hh:mm] <nick> text" and "[hh:mm]  * nick text" are messages, in UTC;
    "===" lines are system lines. jsonl: an object per line with author, time and text, as `tertulia history --json` prints.
    """
    try:
        sources = [Source(path, form, channel) for path in files]
    except SourceInvalid as error:
        raise wrong_usage(str(error)) from None
    run(_import(sources, channel, as_user, concurrency, json))


async def _import(sources: list[Source], channel: str, creator: str, concurrency: int, json: bool) -> None:
    reported = 0

    def report(source: Source, number: int, reason: str) -> None:
        nonlocal reported
        reported += 1
        if json:
            print_json({"kind": "report", "file": source.path.name, "line": number, "reason": reason})
        complain(f"{source.path.name}:{number}: {reason}")

    try:
        authors, total = _survey(sources)
        async with server() as client:
            importer = Importer(client, channel, creator=creator, concurrency=concurrency)
            with progress(quiet=False) as bar:
                reading = bar.add_task("reading what is there", total=None)
                await importer.prepare(authors, lambda read: bar.update(reading, completed=read))
                sending = bar.add_task("importing", total=total)
                tallies = [await importer.send(source, report, lambda: bar.advance(sending)) for source in sources]
    except OSError as error:
        complain(str(error))
        raise typer.Exit(FAILED) from None
    _summary(sources, tallies, json)


def _survey(sources: list[Source]) -> tuple[list[str], int]:
    """Who says something, and how many lines there are."""
    authors: dict[str, None] = {}
    total = 0
    for source in sources:
        for line in source.lines():
            total += 1
            if isinstance(line.record, Said):
                authors[line.record.author] = None
    return list(authors), total


def _summary(sources: list[Source], tallies: list[Tally], json: bool) -> None:
    total = Tally()
    for tally in tallies:
        total.add(tally)
    if json:
        for source, tally in zip(sources, tallies, strict=True):
            print_json({"kind": "file", "file": source.path.name, **asdict(tally)})
        print_json({"kind": "total", **asdict(total)})
        return
    columns = list(asdict(total))
    names = [*(source.path.name for source in sources), "total"]
    rows = [
        [name, *(f"{value:,}" for value in asdict(tally).values())]
        for name, tally in zip(names, [*tallies, total], strict=True)
    ]
    table(["FILE", *(column.replace("_", " ").upper() for column in columns)], rows)
