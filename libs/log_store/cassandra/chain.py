"""The table `log_epoch`."""

from collections import defaultdict
from collections.abc import Sequence

from libs.cassandra import CassandraUnavailable, Session, Statement, read
from libs.log_store.cassandra.durable import until_durable
from libs.log_store.cassandra.vocabulary import NO_EPOCH, Chain, Epoch, Seal
from libs.log_store.types import LogKey, Seq

READ_SEALS = Statement(
    "SELECT log_id, epoch, start_seq, prev_epoch FROM ks.log_epoch WHERE application_id = ? AND log_id IN ?"
)
WRITE_SEAL = Statement(
    "INSERT INTO ks.log_epoch (application_id, log_id, epoch, start_seq, prev_epoch) VALUES (?, ?, ?, ?, ?) "
    "USING TIMESTAMP 1"
)

_CHAIN_READS = 8  # so many broken answers in a row are no coincidence


async def read_chain(session: Session, log: LogKey) -> Chain:
    """The chain of a log; without links if it was never sealed.

    Raises:
        CassandraUnavailable: it could not be read.
    """
    chains = await read_chains(session, [log])
    if log not in chains:
        raise broken_chain(log)
    return chains[log]


def broken_chain(log: LogKey) -> CassandraUnavailable:
    """Of a log that `read_chains` leaves out."""
    return CassandraUnavailable(f"log {log.log_id.hex()}: its chain names a seal that no read shows")


async def read_chains(session: Session, logs: Sequence[LogKey]) -> dict[LogKey, Chain]:
    """As `read_chain`, of some logs at once: one request costs far less than as many. Those whose chain no read shows whole are left
    out."""
    chains: dict[LogKey, Chain] = {}
    missing = list(logs)
    for _ in range(_CHAIN_READS):
        seals = await _read_seals(session, missing)
        chains.update((log, chain) for log in missing if (chain := chain_of(seals[log])) is not None)
        missing = [log for log in missing if log not in chains]
        if not missing:
            break
    return chains


async def _read_seals(session: Session, logs: Sequence[LogKey]) -> dict[LogKey, dict[Epoch, Seal]]:
    by_application: defaultdict[str, list[bytes]] = defaultdict(list)
    for log in logs:
        by_application[log.application_id].append(log.log_id)
    found: dict[LogKey, dict[Epoch, Seal]] = {log: {} for log in logs}
    for application_id, log_ids in by_application.items():
        for log_id, epoch, start, previous in await read(session, READ_SEALS, (application_id, tuple(log_ids))):
            log = LogKey(application_id, log_id)  # type: ignore[arg-type] # a blob
            found[log][Epoch(int(epoch or 0))] = Seal(Seq(int(start or 0)), Epoch(int(previous or 0)))
    return found


def chain_of(seals: dict[Epoch, Seal]) -> Chain | None:
    """Follow the links from the newest epoch back. None if a seal on the way is missing.

    It may be missing though nothing is wrong: the two replicas of a QUORUM read answer at two moments, and between them the
    seal linked to may have become durable and the newer one been written. Then the next read shows it.
    """
    links: list[tuple[Epoch, Seal]] = []
    epoch = max(seals, default=NO_EPOCH)
    while epoch != NO_EPOCH:
        seal = seals.get(epoch)
        if seal is None or seal.previous >= epoch:
            return None
        links.append((epoch, seal))
        epoch = seal.previous
    return Chain(links[::-1])


async def write_seal(session: Session, log: LogKey, epoch: Epoch, seal: Seal) -> None:
    """Write a seal, or write one again: durable on return."""
    values = (log.application_id, log.log_id, epoch, seal.start, seal.previous)
    await until_durable(lambda: session.write(WRITE_SEAL, [values]))
