"""The process under load dies, stops, runs out of disk, loses NATS: nothing acknowledged is lost, doubled or reordered."""

import asyncio
import json
import resource

import pytest
from tertulia_internal.bus.v1 import signal_pb2

from libs.bus.subjects import HEADS
from libs.log_store import SHARDS
from libs.rpc.errors import Unavailable
from tests.integration.message_store.load import Load
from tests.integration.message_store.process import LOG, OTHER, MessageStore, item


async def test_after_kill_9_under_load_everything_acknowledged_is_there_once(store: MessageStore) -> None:
    load = Load(store)
    async with load.running():
        for _ in range(3):
            await load.until_more(100)
            await store.process.kill()
            await store.process.start()
    assert load.retried, "some sends were cut off, or this showed nothing"
    for client_id, seq in list(load.acknowledged.items())[-100:]:
        assert await store.append(item(client_id)) == [seq]


async def test_a_restart_is_a_new_incarnation(store: MessageStore) -> None:
    heard = await store.hear(HEADS)
    first = await next_digest(heard)
    await store.process.stop()
    await store.process.start()
    async with asyncio.timeout(10):
        while (second := await next_digest(heard)).incarnation == first.incarnation:
            pass
    assert second.incarnation
    assert list(second.shards) == list(first.shards) == list(range(SHARDS))


async def next_digest(heard: "asyncio.Queue[bytes]") -> signal_pb2.HeadsDigest:
    return signal_pb2.HeadsDigest.FromString(await heard.get())


async def test_a_stop_under_load_answers_what_is_open_and_exits_with_0(store: MessageStore) -> None:
    async with Load(store).running():
        assert await store.process.stop() == 0
        await store.process.start()


async def test_on_a_full_disk_appends_are_unavailable_and_nothing_is_lost(store: MessageStore) -> None:
    def limit_files(size: int) -> None:
        _, hard = resource.prlimit(store.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(store.process.pid, resource.RLIMIT_FSIZE, (size, hard))

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
    await store.process.kill()
    await store.process.start()
    assert [event.seq for event in await store.everything()] == acknowledged


async def test_without_nats_appends_go_on(store: MessageStore) -> None:
    await store.append(item("1"))
    await store.nats.kill()
    assert await store.append(item("2"), item("3", log=OTHER)) == [2, 1]
    assert await store.process.stop() == 0


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
    new = f"{store.directory}/new"
    asked = {"listen": f"unix:{store.directory}/second.sock", **settings}
    code, written = await store.process.start_another(**{name: value.format(new=new) for name, value in asked.items()})
    assert code == 1
    (line,) = [line for line in written.splitlines() if line.startswith("{")]  # gRPC's own lines do not
    assert "Traceback" not in written
    assert complaint in json.loads(line)["error"]
    assert (await store.heads([LOG])).heads, "the first one goes on"
