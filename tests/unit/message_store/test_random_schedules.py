"""Random schedules of sends, retries, failing flushes and restarts, held against what must be true of the log: I1 to I4."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.log_store import LogBatch, LogKey, StoreUnavailable
from libs.rpc.errors import Unavailable
from tests.unit.message_store.owner import LOG, OTHER, Owner, item, owner_of

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - hundreds of stores: on a disk their fsyncs take 20 s
FEW_EVENTS = 2
"""So little is remembered that most retries must be looked up in the store."""


class Send(NamedTuple):
    log: LogKey
    client_id: str


class Round(NamedTuple):
    """Requests on their way at once, on a store that fails some flushes."""

    requests: list[list[Send]]
    failing: set[int]
    failing_although_written: set[int]
    restart_afterwards: bool


sends = st.builds(Send, st.sampled_from([LOG, OTHER]), st.sampled_from("abcdefghijkl"))
flushes = st.sets(st.integers(0, 3), max_size=2)
rounds = st.lists(
    st.builds(
        Round,
        st.lists(st.lists(sends, min_size=1, max_size=4), min_size=1, max_size=5),
        flushes,
        flushes,
        st.booleans(),
    ),
    max_size=6,
)


def fail(flushes: set[int]) -> Callable[[Sequence[LogBatch]], None]:
    """Fails the flushes of these numbers."""
    remaining = iter(range(1_000))

    def hook(_: Sequence[LogBatch]) -> None:
        if next(remaining) in flushes:
            raise StoreUnavailable(writing=True)

    return hook


class Clients:
    """What they asked, what they were told, and whether that is what the log says."""

    def __init__(self) -> None:
        self.after_seq: dict[Send, int] = {}
        """For each send, the highest seq of the log that was seen when it was first tried."""
        self.acknowledged: dict[Send, int] = {}

    async def send(self, owner: Owner, request: Sequence[Send]) -> None:
        for send in request:
            self.after_seq.setdefault(send, self._seen(send.log))
        items = [item(send.client_id, log=send.log, after_seq=self.after_seq[send]) for send in request]
        try:
            outcomes = await owner.append(*items)
        except Unavailable:
            return
        for send, outcome in zip(request, outcomes, strict=True):
            assert not outcome.refusal
            assert outcome.seq == self.acknowledged.setdefault(send, outcome.seq), "a retry returns the first seq"

    def _seen(self, log: LogKey) -> int:
        return max((seq for send, seq in self.acknowledged.items() if send.log == log), default=0)

    async def check(self, owner: Owner, log: LogKey) -> None:
        events = await owner.events(log)
        ids = [event.client_id for event in events]
        numbers = list(range(1, len(events) + 1))
        assert [event.seq for event in events] == numbers, "seqs are contiguous"
        assert [event.message_count for event in events] == numbers, "counts run along"
        assert len(set(ids)) == len(ids), "a client id takes one seq"
        assert {Send(log, client_id) for client_id in ids} <= self.after_seq.keys(), "nobody said anything else"
        for send, seq in self.acknowledged.items():
            assert send.log != log or ids[seq - 1] == send.client_id, "what was acknowledged is where it was said to be"
        ranges = [(bell.from_seq, bell.to_seq) for bell in owner.bus.doorbells(log)]
        assert all(to_seq < from_seq for (_, to_seq), (from_seq, _) in pairwise(ranges)), "doorbells only go forward"
        assert all(to_seq <= len(events) for _, to_seq in ranges), "doorbells tell only what is durable"


async def play(path: Path, schedule: list[Round]) -> None:
    clients = Clients()
    remaining = iter(schedule)
    restarted = True
    while restarted:
        restarted = False
        async with owner_of(path, remembered_events=FEW_EVENTS) as owner:
            for requests, failing, failing_although_written, restart_afterwards in remaining:
                owner.store.before_append = fail(failing)
                owner.store.after_append = fail(failing_although_written)
                await asyncio.gather(*(clients.send(owner, request) for request in requests))
                for log in (LOG, OTHER):
                    await clients.check(owner, log)
                if restart_afterwards:
                    restarted = True
                    break


@settings(max_examples=100, deadline=None)
@given(rounds)
def test_whatever_happens_the_log_is_whole_and_every_send_in_it_once(schedule: list[Round]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        asyncio.run(play(Path(directory), schedule))
