"""`tertulia import`."""

import os
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from tertulia.cli.console import complain, print_json, progress, table
from tertulia.cli.running import FAILED, AsOptional, Json, run, server, wrong_usage
from tertulia.importing.importer import Importer, Tally
from tertulia.importing.records import Said
from tertulia.importing.source import STANDARD_INPUT, Format, Source, SourceInvalid


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Files, in the order of what they hold; - is standard input."),
    ],
    form: Annotated[Format, typer.Option("--format", help="How they are written.")],
    channel: Annotated[str, typer.Option("--channel", metavar="NAME", help="The channel's id.")],
    as_user: AsOptional = "",
    date: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="The day of IRC logs, in place of the one in their names."
        ),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1_000, help="Messages that may wait for their acknowledgement.")
    ] = 512,
    json: Json = False,
) -> None:
    """Import conversations with the server key, keeping their order, authors and times.

    The channel is made if it is missing (--as is its creator), and so are the authors, who become its members. Every line is
    counted; those that are not imported are reported with their numbers and do not end the import; if no line at all could
    be, the exit code is 1. Imported again, nothing is doubled.

    irc: the date is in the file's name (YYYY-MM-DD) or in --date; "[hh:mm] <nick> text" and "[hh:mm]  * nick text" are messages, in UTC;
    "===" lines are system lines. jsonl: an object per line with author, time and text, as `tertulia history --json` prints.
    """
    if date is not None and form is not Format.IRC:
        raise wrong_usage("--date is for IRC logs; what is JSON Lines has its times in it")
    if files.count(STANDARD_INPUT) > 1:
        raise wrong_usage("standard input can be read once only")
    for path in files:
        if path != STANDARD_INPUT and not os.access(path, os.R_OK):
            raise wrong_usage(f"{path}: no such file, or none that may be read")
        if path.is_dir():
            raise wrong_usage(f"{path} is a directory")
    try:
        sources = [Source(path, form, channel, date.date() if date else None) for path in files]
    except SourceInvalid as error:
        raise wrong_usage(str(error)) from None
    with ExitStack() as stack:
        for source in sources:
            stack.callback(source.close)
        try:
            authors, lines = _survey(sources)
            run(_import(sources, authors, lines, channel, as_user, concurrency, json))
        except OSError as error:
            complain(str(error))
            raise typer.Exit(FAILED) from None


async def _import(
    sources: list[Source], authors: list[str], lines: int, channel: str, creator: str, concurrency: int, json: bool
) -> None:
    def report(source: Source, number: int, reason: str) -> None:
        if json:
            print_json({"kind": "report", "file": source.name, "line": number, "reason": reason})
        complain(f"{source.name}:{number}: {reason}")

    async with server() as client:
        importer = Importer(client, channel, creator=creator, concurrency=concurrency)
        with progress(quiet=False) as bar:
            reading = bar.add_task("reading what is there", total=None)
            await importer.prepare(authors, lambda read: bar.update(reading, completed=read))
            sending = bar.add_task("importing", total=lines)
            tallies = [await importer.send(source, report, lambda: bar.advance(sending)) for source in sources]
    total = _summary(sources, tallies, json)
    if total.messages + total.actions:
        complain(f"read it: tertulia history {channel}")
    elif total.rejected:
        complain(f"nothing was imported: {total.rejected:,} of {total.lines:,} lines were rejected; is --format right?")
        raise typer.Exit(FAILED)
    else:
        complain("there was nothing to import")


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


def _summary(sources: list[Source], tallies: list[Tally], json: bool) -> Tally:
    total = Tally()
    for tally in tallies:
        total.add(tally)
    if json:
        for source, tally in zip(sources, tallies, strict=True):
            print_json({"kind": "file", "file": source.name, **asdict(tally)})
        print_json({"kind": "total", **asdict(total)})
        return total
    columns = list(asdict(total))
    names = [*(source.name for source in sources), "total"]
    rows = [
        [name, *(f"{value:,}" for value in asdict(tally).values())]
        for name, tally in zip(names, [*tallies, total], strict=True)
    ]
    table(["FILE", *(column.replace("_", " ").upper() for column in columns)], rows)
    return total
