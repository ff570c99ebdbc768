"""Reading back what was said: row W5."""

import asyncio
import itertools

from tertulia.chat.v1 import message_pb2
from tertulia_internal.wire.v1 import raw_pb2

from tests.bench.job import Job, Meter, Outcome, encoded, new_histogram
from tests.bench.ledger import Ledger
from tests.bench.load import Windowed, in_turn, settled
from tests.bench.rooms import make_rooms
from tests.bench.sessions import Session, clock, open_sessions

_STORED = 10_000
_PAGE = 50
_READERS = 8
_STORE_SECONDS = 600.0  # for a million


async def paging(job: Job) -> Outcome:
    """Eight readers walk back through a log of `Job.size` messages (10,000), page by page, each asking when it was answered."""
    stored = job.size or _STORED
    people = [f"{job.prefix}-{number}" for number in range(_READERS)]
    room = f"{job.prefix}-room"
    await make_rooms(job.address, {room: people})
    ledger = Ledger()
    sessions = await open_sessions(job.address, people, ledger, job.per_connection)
    for log, cursor in sessions[0].cursors.items():
        ledger.begin(log, cursor)
    turns = itertools.islice(in_turn(sessions, [(room, people[:1])]), stored)
    await Windowed(turns, window=256, joined=True).run(sessions, _STORE_SECONDS)
    await settled(ledger, sessions)
    faults = ledger.judge(item for session in sessions for item in session.cursors.items())
    faults += await _verify(sessions[0], room, stored)

    walks = [_Walk(session, room) for session in sessions]
    outcome = Outcome()
    with Meter(job, outcome):
        deadline_ns = clock() + job.seconds * 1e9
        async with asyncio.TaskGroup() as tasks:
            for walk in walks:
                tasks.create_task(walk.until(deadline_ns))
    faults += [f"a page held {events} messages" for walk in walks for events in walk.wrong]
    latency = new_histogram()
    for took_us in itertools.chain.from_iterable(walk.took_us for walk in walks):
        latency.record_value(took_us)
    for session in sessions:
        session.close()
    outcome.counts = {"pages": sum(len(walk.took_us) for walk in walks), "stored": stored}
    outcome.histograms = {"page": encoded(latency)}
    outcome.faults = faults
    return outcome


class _Walk:
    """One reader."""

    def __init__(self, session: Session, room: str) -> None:
        self.took_us: list[int] = []
        self.wrong: list[int] = []
        self._session = session
        self._room = room
        self._token = ""
        self._ids = itertools.count(1_000_000)  # above those of the sends

    async def until(self, deadline_ns: float) -> None:
        while clock() < deadline_ns:
            begun_ns = clock()
            page = await self.page()
            if not page.events and self.ended:
                continue  # before the first message the log holds who was added, which is no page of messages
            self.took_us.append((clock() - begun_ns) // 1_000)
            if len(page.events) != _PAGE:
                self.wrong.append(len(page.events))

    async def page(self) -> raw_pb2.RawListMessagesResponse:
        """The next page; after the first of the log, the last again."""
        request = message_pb2.ListMessagesRequest(channel_id=self._room, page_size=_PAGE, page_token=self._token)
        reply = await self._session.call(next(self._ids), "MessageService/ListMessages", request.SerializeToString())
        page = raw_pb2.RawListMessagesResponse.FromString(reply)
        self._token = page.older_page_token
        return page

    @property
    def ended(self) -> bool:
        return not self._token


async def _verify(session: Session, room: str, stored: int) -> list[str]:
    """Walk through all pages once and count: every message is there, once."""
    walk = _Walk(session, room)
    counts: list[int] = []
    for _ in range(stored // _PAGE + 2):
        page = message_pb2.ListMessagesResponse.FromString((await walk.page()).SerializeToString())
        counts += [event.message_count for event in reversed(page.events)]
        if walk.ended:
            break
    if counts == list(range(stored, 0, -1)):
        return []
    return [f"a walk through {stored} messages found {len(counts)}, {len(set(counts))} of them different"]
