"""A server with a handler for each thing that a call can do."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import error_pb2

from libs.http2 import Call, Limits, Server
from libs.rpc.errors import NotFound

LIMITS = Limits(max_message_bytes=256 * 1024, max_streams=100, max_connections=20, max_age_seconds=600)
FLOOD_MESSAGES = 64
FLOOD_BYTES = 64 * 1024
PAGE_BYTES = 1024 * 1024
REFUSAL = NotFound("kein Grüßgott: 100 % verloren", error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND, metadata={"a": "b"})


class Handlers:
    """By what they do; `waiting` and `gone` tell tests how far a call of `wait` has come."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.gone = asyncio.Event()
        self.blocked = asyncio.Event()
        self.go = asyncio.Event()
        self.waits = 0
        self.metadata: list[tuple[str, str | bytes]] = []

    async def echo(self, call: Call) -> None:
        """Answers each message with itself."""
        self.metadata = list(call.metadata)
        while (message := await call.read()) is not None:
            await call.write(message)

    async def page(self, call: Call) -> None:
        """Answers as a unary call does, with 1 MiB."""
        await call.read()
        await call.answer(bytes(PAGE_BYTES))

    async def flood(self, call: Call) -> None:
        """Writes 4 MB as fast as it may."""
        await call.read()
        for number in range(FLOOD_MESSAGES):
            write = asyncio.ensure_future(call.write(bytes([number]) * FLOOD_BYTES))
            await asyncio.sleep(0)
            if not write.done():
                self.blocked.set()
            await write

    async def tear(self, call: Call) -> None:
        """Gives a message up that the client does not take."""
        try:
            async with asyncio.timeout(0.02):
                await call.write(b"x" * 10 * FLOOD_BYTES)
        except TimeoutError:
            raise REFUSAL from None

    async def sign_in(self, call: Call) -> None:
        """Knows who the client is."""
        call.authenticated()
        await call.answer(b"welcome")

    async def refuse(self, call: Call) -> None:
        await call.read()
        raise REFUSAL

    async def fail(self, call: Call) -> None:
        await call.read()
        raise ValueError("the password is hunter2")

    async def give_up(self, call: Call) -> None:
        """Waits for what was cancelled."""
        await call.read()
        raise asyncio.CancelledError

    async def wait(self, call: Call) -> None:
        """Says one word, then nothing until `go`."""
        self.waits += 1
        await call.write(b"waiting")
        self.waiting.set()
        try:
            await self.go.wait()
        finally:
            self.gone.set()

    async def count_waits(self, call: Call) -> None:
        """How many calls of `wait` have begun."""
        await call.answer(str(self.waits).encode())

    async def wait_unread(self, call: Call) -> None:
        """Reads nothing until `go`, then tells how many bytes came."""
        await call.write(b"waiting")
        await self.go.wait()
        count = 0
        while (message := await call.read()) is not None:
            count += len(message)
        await call.write(str(count).encode())


@asynccontextmanager
async def echoing(
    handlers: Handlers,
    limits: Limits = LIMITS,
    listen: str = "127.0.0.1:0",
    drain_seconds: float = 0.5,
    tls: ssl.SSLContext | None = None,
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[str]:
    """The server, at its address."""
    table = {
        f"/test.Echo/{name}": getattr(handlers, name)
        for name in (
            *("echo", "page", "flood", "tear", "refuse", "fail", "give_up"),
            *("wait", "count_waits", "wait_unread", "sign_in"),
        )
    }
    async with Server(table, limits, registry or CollectorRegistry()).served(listen, drain_seconds, tls) as address:
        yield address


def unix_address(folder: Path) -> str:
    return f"unix:{folder}/echo.sock"
