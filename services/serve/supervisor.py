"""Runs a set of parts: each started when what it needs is ready, kept alive, and stopped in reverse order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from libs.runtime.process import every, running
from services.serve.keeper import Keeper, Part

_LOG_LOOK_SECONDS = 60.0


async def supervise(
    parts: Sequence[Part],
    *,
    stop: asyncio.Event,
    kill: asyncio.Event,
    ready: Callable[[Mapping[str, int]], Awaitable[None]],
    tell: Callable[[str], None],
) -> None:
    """Run `parts`, which are in order of their needs, until `stop` is set. None of them is left when it returns.

    `ready` is called once, with the process ids, when everything answers. Setting `kill` cuts the stopping short.

    Raises:
        ExceptionGroup: of CannotStart: a part cannot be started at all.
    """
    keepers = {part.name: Keeper(part, tell) for part in parts}
    answering = {part.name: asyncio.Event() for part in parts}

    async def run(part: Part) -> None:
        for need in part.needs:
            await answering[need].wait()
        await keepers[part.name].start()
        answering[part.name].set()
        if part.ready is not None:
            await keepers[part.name].keep()

    async def announce() -> None:
        for event in answering.values():
            await event.wait()
        await ready({part.name: keepers[part.name].pid for part in parts if part.ready is not None})

    async def bound_logs() -> None:
        for keeper in keepers.values():
            keeper.bound_log()

    try:
        async with running(announce(), every(_LOG_LOOK_SECONDS, bound_logs), *(run(part) for part in parts)):
            await stop.wait()
    finally:
        await _stop_all(list(reversed(keepers.values())), kill)


async def _stop_all(keepers: Sequence[Keeper], kill: asyncio.Event) -> None:
    async def kill_when_told() -> None:
        await kill.wait()
        for keeper in keepers:
            keeper.kill()

    async with running(kill_when_told()):
        for keeper in keepers:
            await keeper.stop()
