"""Free ports and waiting for servers."""

import asyncio
from collections.abc import Awaitable, Callable

from services.serve import places


def free_port() -> int:
    """A TCP port of loopback that nobody listens on, and that no passing connection takes while its server is down."""
    return places.free_port()


async def answers(port: int) -> bool:
    """Whether something accepts connections at a port of loopback."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def until(
    condition: Callable[[], Awaitable[bool]] | Callable[[], bool], what: str, seconds: float = 20.0
) -> None:
    """Look every 20 ms until `condition` holds.

    Raises:
        AssertionError: it did not within `seconds`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        holds = condition()
        if isinstance(holds, Awaitable):
            holds = await holds
        if holds:
            return
        if loop.time() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.02)
