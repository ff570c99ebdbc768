"""Many people online in one process, by the SDK: `python -m tests.faults.many_clients ADDRESS`, with the rooms and their members as
JSON in a line of standard input. It runs until it is killed.

Prints a line of JSON whenever something has changed: how many are online, and up to which seq everybody in a room has every
message. A message that comes twice, out of order, or behind a gap is a fault.
"""

import asyncio
import json
import sys
from collections import defaultdict

import tertulia
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

_SECRET = Secret.parse(DEVELOPMENT_SECRET)
_CONNECT_SECONDS = 120
_AT_ONCE = 32
_TELL_SECONDS = 0.1


class Crowd:
    """Everybody, each in one room."""

    def __init__(self, address: str, rooms: dict[str, list[str]]) -> None:
        self._address = address
        self._rooms = rooms
        self._clients: dict[str, tertulia.Client] = {}
        self._seqs: dict[str, int] = {}
        """By user: the newest message that they have; all before it, too."""
        self._faults: list[str] = []
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Be online, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for room, users in self._rooms.items():
                for user in users:
                    tasks.create_task(self._follow(room, user))

    async def _follow(self, room: str, user: str) -> None:
        client = tertulia.connect(
            self._address, token=_SECRET.user_token(user), connect_timeout=_CONNECT_SECONDS, receipts=False
        )
        async with self._turn:
            await client.__aenter__()
        self._seqs[user] = client.joined[room].head_seq
        self._clients[user] = client
        async for event in client.events():
            if not isinstance(event, tertulia.MessageReceived):
                continue
            if event.seq != self._seqs[user] + 1:
                self._faults.append(f"{user} in {room}: seq {event.seq} came after {self._seqs[user]}")
            self._seqs[user] = event.seq

    def state(self) -> dict[str, object]:
        """What is to be told."""
        online = [user for user, client in self._clients.items() if client.state is tertulia.ConnectionState.ONLINE]
        seqs: defaultdict[str, int] = defaultdict(int)
        if len(self._seqs) == sum(map(len, self._rooms.values())):
            seqs.update((room, min(self._seqs[user] for user in users)) for room, users in self._rooms.items())
        return {"online": len(online), "seqs": seqs, "faults": self._faults[:10]}


async def _tell(crowd: Crowd) -> None:
    told = ""
    while True:
        now = json.dumps(crowd.state())
        if now != told:
            print(now, flush=True)
            told = now
        await asyncio.sleep(_TELL_SECONDS)


async def main() -> None:
    """Until it is killed."""
    crowd = Crowd(sys.argv[1], json.loads(sys.stdin.readline()))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(crowd.run())
        tasks.create_task(_tell(crowd))


if __name__ == "__main__":
    asyncio.run(main())
