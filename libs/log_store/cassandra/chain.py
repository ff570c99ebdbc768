"""The table `log_epoch`."""

from libs.cassandra import CassandraUnavailable, Session, Statement, read
from libs.log_store.cassandra.durable import until_durable
from libs.log_store.cassandra.vocabulary import NO_EPOCH, Chain, Epoch, Seal
from libs.log_store.types import LogKey, Seq

READ_SEALS = Statement("SELECT epoch, start_seq, prev_epoch FROM ks.log_epoch WHERE application_id = ? AND log_id = ?")
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
    for _ in range(_CHAIN_READS):
        seals = await read(session, READ_SEALS, (log.application_id, log.log_id))
        chain = chain_of({Epoch(int(e or 0)): Seal(Seq(int(s or 0)), Epoch(int(p or 0))) for e, s, p in seals})
        if chain is not None:
            return chain
    raise CassandraUnavailable(f"log {log.log_id.hex()}: its chain names a seal that no read shows")


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
