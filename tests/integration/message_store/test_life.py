"""The process under load dies, stops, runs out of disk, loses NATS: nothing acknowledged is lost, doubled or reordered."""

import asyncio
import json
import resource
from collections import Counter

import pytest

from libs.rpc.errors import TertuliaError, Unavailable
from tests.integration.message_store.process import LOG, OTHER, MessageStore, item
from tests.support.ports import until

SENDERS = 8


class Load:
    """Senders that go on until told to stop. Each sends one message at a time and retries it until it is acknowledged."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store
        self._stopping = False
        self.acknowledged: dict[str, int] = {}
        self.retried: set[str] = set()
        self.most_seen = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as senders:
            for number in range(SENDERS):
                senders.create_task(self._send(number))

    def stop(self) -> None:
        self._stopping = True

    async def _send(self, sender: int) -> None:
        number = 0
        while not self._stopping:
            number += 1
            client_id = f"{sender}-{number}"
            message = item(client_id, after_seq=self.most_seen)
            while client_id not in self.acknowledged:
                try:
                    (seq,) = await self._store.append(message)
                except TertuliaError:
                    self.retried.add(client_id)
                    await asyncio.sleep(0.02)  # the pace of a client that tries again
                else:
                    self.acknowledged[client_id] = seq
                    self.most_seen = max(self.most_seen, seq)

    async def until_more(self, count: int) -> None:
        target = len(self.acknowledged) + count
        await until(lambda: len(self.acknowledged) >= target, f"{count} more acknowledged", seconds=30)

    async def check(self) -> None:
        """The log holds every acknowledged message at its seq, and none twice."""
        events = await self._store.everything()
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.message_count for event in events] == list(range(1, len(events) + 1))
        assert [client_id for client_id, times in Counter(e.client_id for e in events).items() if times > 1] == []
        seqs = {event.client_id: event.seq for event in events}
        assert {client_id: seqs.get(client_id) for client_id in self.acknowledged} == self.acknowledged


async def test_after_kill_9_under_load_everything_acknowledged_is_there_once(store: MessageStore) -> None:
    load = Load(store)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(load.run())
        for _ in range(3):
            await load.until_more(100)
            await store.kill()
            await store.start()
        await load.until_more(100)
        load.stop()
        await running
    assert load.retried, "some sends were cut off, or this showed nothing"
    await load.check()
    for client_id, seq in list(load.acknowledged.items())[-100:]:
        assert await store.append(item(client_id)) == [seq]


async def test_a_restart_is_a_new_incarnation(store: MessageStore) -> None:
    first = (await store.heads([])).incarnation
    await store.stop()
    await store.start()
    assert (await store.heads([])).incarnation not in {"", first}


async def test_a_stop_under_load_answers_what_is_open_and_exits_with_0(store: MessageStore) -> None:
    load = Load(store)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(load.run())
        await load.until_more(100)
        assert await store.stop() == 0
        await store.start()
        await load.until_more(100)
        load.stop()
        await running
    await load.check()


async def test_on_a_full_disk_appends_are_unavailable_and_nothing_is_lost(store: MessageStore) -> None:
    def limit_files(size: int) -> None:
        _, hard = resource.prlimit(store.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(store.pid, resource.RLIMIT_FSIZE, (size, hard))

    acknowledged = await store.append(item("1", text="x" * 10_000))
    database = store.directory / "data" / "logs.sqlite-wal"
    limit_files(database.stat().st_size + 50_000)

    async def fill_the_disk() -> None:
        for number in range(2, 100):
            acknowledged.extend(await store.append(item(str(number), text="x" * 10_000)))

    with pytest.raises(Unavailable):
        await fill_the_disk()
    assert [event.seq for event in await store.everything()] == acknowledged, "reads go on"
    lost = str(len(acknowledged) + 1)
    limit_files(resource.RLIM_INFINITY)
    acknowledged += await store.append(item("after"))
    acknowledged += await store.append(item(lost, text="x" * 10_000))
    assert acknowledged == list(range(1, len(acknowledged) + 1))
    await store.kill()
    await store.start()
    assert [event.seq for event in await store.everything()] == acknowledged


async def test_without_nats_appends_go_on(store: MessageStore) -> None:
    await store.append(item("1"))
    await store.nats.kill()
    assert await store.append(item("2"), item("3", log=OTHER)) == [2, 1]
    assert await store.stop() == 0


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "logs.sqlite is in use by another process"),
        ({"data_dir": "/dev/null/data"}, "cannot use /dev/null/data/logs.sqlite: Not a directory"),
        ({"data_dir": "{new}", "listen": "unix:/nonexistent/store.sock"}, "cannot listen on unix:/nonexistent"),
        ({"data_dir": "{new}", "memory_bytes": "little"}, "settings of message_store: memory_bytes"),
    ],
)
async def test_what_keeps_it_from_starting_is_one_line_and_exit_code_1(
    store: MessageStore, settings: dict[str, str], complaint: str
) -> None:
    new = str(store.directory / "new")
    code, written = await store.start_another(**{name: value.format(new=new) for name, value in settings.items()})
    assert code == 1
    (line,) = [line for line in written.splitlines() if line.startswith("{")]  # gRPC's own lines do not
    assert "Traceback" not in written
    assert complaint in json.loads(line)["error"]
    assert (await store.heads([LOG])).incarnation, "the first one goes on"
