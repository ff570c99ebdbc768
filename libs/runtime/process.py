"""The life of a service process: start, run until told to stop, stop in order."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Literal, TypeVar

import structlog
import uvloop

from libs.runtime.errors import CannotStart, causes_of
from libs.runtime.logs import configure_logs
from libs.runtime.parent import stop_with_parent
from libs.runtime.probes import probes_served
from libs.runtime.settings import ServiceSettings, load_settings

Settings = TypeVar("Settings", bound=ServiceSettings)


def run_service(settings_class: type[Settings], main: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    """All of a service's `__main__`: read its settings, set up its logs, run its composition root `main`, exit.

    `main` returns when the event given to it is set, which SIGTERM and SIGINT do. Failures are one line of the log, with
    no traceback where the cause is a `CannotStart`, and exit code 1.
    """
    configure_logs(settings_class.service, "info")
    try:
        settings = load_settings(settings_class)
        configure_logs(settings_class.service, settings.log_level)
        if beyond := settings.beyond_this_machine():
            structlog.get_logger().warning("network_is_trusted", without_tls=beyond)
        run_process(lambda stop: main(settings, stop), settings.probes_listen)
    except Exception as error:  # noqa: BLE001 - the last place: what got here ends the process
        report_failure(error)
        raise SystemExit(1) from None


def report_failure(error: Exception) -> None:
    """Log what ended the process: for people if they can mend it, else with its traceback."""
    log = structlog.get_logger()
    causes = causes_of(error)
    if all(isinstance(cause, CannotStart) for cause in causes):
        log.error("cannot_start", error="; ".join(str(cause) for cause in causes))
    else:
        log.critical("service_failed", exc_info=error)


class _Stop(asyncio.Event):
    """Set when the process is to stop. Whoever waits for it has built everything, so the process has started."""

    started = False

    @property
    def stopping(self) -> bool:
        return self.is_set()

    async def wait(self) -> Literal[True]:
        self.started = True
        return await super().wait()


def run_process(main: Callable[[asyncio.Event], Awaitable[None]], probes_listen: str = "") -> None:
    """Run a composition root until it returns. The event given to it is set by SIGTERM and SIGINT.

    Before it waits for that event it is still starting, perhaps waiting for something that never comes: then it is cancelled.
    Probes are answered meanwhile at `probes_listen`, see `libs.runtime.probes`.
    """
    stop_with_parent()

    async def with_signals() -> None:
        stop = _Stop()
        loop = asyncio.get_running_loop()

        async def probed() -> None:
            async with probes_served(probes_listen, stop):
                await main(stop)

        task = asyncio.create_task(probed())

        def on_signal() -> None:
            stop.set()
            if not stop.started:
                task.cancel()

        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, on_signal)
        try:
            await task
        except asyncio.CancelledError:
            if not stop.is_set():
                raise

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(with_signals())


@asynccontextmanager
async def running(*tasks: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run tasks while the body runs and cancel them at its end; if one fails, the body is cancelled and the failure raised.

    Raises:
        ExceptionGroup: a task failed, or the body did.
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
