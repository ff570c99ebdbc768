"""What events change beside their rows: written below the high-water mark only, and again after a takeover."""

import asyncio

from tertulia import states
from tertulia.chat.v1 import event_pb2

from libs.cassandra import Session
from libs.log_store.amendments import Amending, Target, amends
from libs.log_store.cassandra.mentions import write_mentions
from libs.log_store.cassandra.overlays import read_entries, write_overlay
from libs.log_store.cassandra.rows import erase_ghosts, read_rows, redact
from libs.log_store.cassandra.vocabulary import Chain
from libs.log_store.types import Amendments, LogKey, Seq

_ROWS = 1_000  # read at a time
_BYTES = 1024 * 1024


async def amend(session: Session, log: LogKey, chain: Chain, amendments: Amendments) -> None:
    """Write amendments, or write them again: durable on return. To be preceded by a barrier, after their events were durable.

    Each waits for what precedes it: whom an edit no longer mentions is known until its overlay is there, whom a deleted message
    mentioned until it is blanked, and a blanked row without its overlay would be a message without words.
    """
    overlays, redactions, mentions = amendments
    await write_mentions(session, log, mentions)
    async with asyncio.TaskGroup() as tasks:
        for overlay in overlays:
            tasks.create_task(write_overlay(session, log, overlay))
    async with asyncio.TaskGroup() as tasks:
        for redaction in redactions:
            tasks.create_task(redact(session, log, chain, redaction))


async def amend_again(session: Session, log: LogKey, chain: Chain, first: Seq, last: Seq) -> Amendments:
    """Do all that the events from `first` to `last` change, whatever of it was done before. Returns it.

    Raises:
        CassandraUnavailable: they could not be read.
    """
    amending = Amending()
    targets: dict[Seq, Target] = {}
    while first <= last:
        found = await read_rows(session, log, chain, first, last, limit=_ROWS, max_bytes=_BYTES)
        for row, _, _ in found:
            if not amends(row):
                continue
            event = event_pb2.Event.FromString(row.event)
            for seq in map(Seq, states.targets(event) if row.target_seq else ()):
                if seq not in targets:
                    (entry,) = await read_entries(session, log, chain, seq, seq, limit=1, max_bytes=_BYTES)
                    targets[seq] = Target(entry)
            amending.add(event, targets)
        first = Seq(found[-1].row.seq + 1)
    amendments = amending.amendments()
    if amendments.redactions:
        await erase_ghosts(session, log, chain)
    await amend(session, log, chain, amendments)
    return amendments
