"""Links on which everything arrives later, by a proxy of our own: the kernel here has no netem, and what is late on a TCP
connection is all that follows, which a proxy does just as well."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_CHUNK_BYTES = 64 * 1024
_HELD_CHUNKS = (
    256  # on their way in one direction of one connection; beyond it the sender is held up, as by a full pipe
)


class Link:
    """A port that leads to another one. What goes through either way takes `delay_seconds` longer."""

    def __init__(self, port: int) -> None:
        self.delay_seconds = 0.0
        self.address = ""
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, far_writer))
                pumps.create_task(self._pump(far_reader, writer))
        except* OSError:
            pass  # one of the two ends is gone
        for end in (writer, far_writer):
            end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_HELD_CHUNKS)
        clock = asyncio.get_running_loop().time

        async def deliver() -> None:
            while True:
                due, chunk = await held.get()
                if (early := due - clock()) > 0:
                    await asyncio.sleep(early)
                if not chunk:
                    raise ConnectionResetError  # ends both directions
                writer.write(chunk)
                await writer.drain()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(deliver())
            chunk = b"-"
            while chunk:
                chunk = await reader.read(_CHUNK_BYTES)
                await held.put((clock() + self.delay_seconds, chunk))


@asynccontextmanager
async def link_to(port: int) -> AsyncIterator[Link]:
    """A link to a port of loopback, for as long as the body runs."""
    link = Link(port)
    server = await asyncio.start_server(link.connected, "127.0.0.1", 0)
    link.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield link
    finally:
        server.close()
