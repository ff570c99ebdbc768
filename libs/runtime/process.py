"""The life of a service process: start, run until told to stop, stop in order."""

import asyncio
import ctypes
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import structlog
import uvloop

PARENT_DEATH_VARIABLE = "TERTULIA_STOP_WITH_PARENT"
"""Set to `1` by a supervisor: the process is to get SIGTERM when its parent dies, however that dies."""

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def run_process(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a service's composition root until it returns. The event given to it is set by SIGTERM and SIGINT."""
    if os.environ.get(PARENT_DEATH_VARIABLE) == "1":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    async def with_signals() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, stop.set)
        await main(stop)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(with_signals())


def settle_memory() -> None:
    """Call once everything is built: objects that live as long as the process are no longer looked at by the collector."""
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def running(*tasks: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run tasks while the body runs and cancel them at its end; if one fails, the body is cancelled and the failure raised.

    Raises:
        ExceptionGroup: a task failed.
    """
    async with asyncio.TaskGroup() as group:
        started = [group.create_task(task) for task in tasks]
        yield
        for task in started:
            task.cancel()


async def every(seconds: float, action: Callable[[], Awaitable[None]]) -> None:
    """Do `action` at every tick, for ever. A tick that fails is logged, and the next one tries again."""
    log = structlog.get_logger()
    while True:
        await asyncio.sleep(seconds)
        try:
            await action()
        except Exception:  # a periodic duty must outlive any one failure
            log.exception("periodic_action_failed", action=getattr(action, "__qualname__", repr(action)))
