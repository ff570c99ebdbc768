"""The composition root of `tertulia serve`."""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from libs.runtime.errors import CannotStart, causes_of
from services.serve.places import Places, free_port, require_free, taken
from services.serve.plan import HOST, Elsewhere, Ports, plan
from services.serve.supervisor import supervise


class Options(NamedTuple):
    """As given on the command line; see `services.serve.command`."""

    port: int
    """0: any free one."""
    gateways: int
    """How many: the second one listens on the port above, and so on."""
    default_port: int
    """Where clients look that were told nothing."""
    data: Path
    metrics_port: int | None
    elsewhere: Elsewhere
    json: bool
    verbose: bool


def run(options: Options) -> int:
    """Run until told to stop; the exit code."""
    try:
        with taken(options.data, _tell) as places:
            asyncio.run(_run(options, places))
    except (CannotStart, ExceptionGroup) as error:
        causes = causes_of(error)
        if not all(isinstance(cause, CannotStart) for cause in causes):
            raise
        for cause in causes:
            _tell(f"error: {cause}")
        return 1
    return 0


async def _run(options: Options, places: Places) -> None:
    if options.port:
        gateways = list(range(options.port, options.port + options.gateways))
        for port in gateways:
            require_free(port)
    else:
        gateways = [free_port() for _ in range(options.gateways)]
    ports = Ports(
        gateways=gateways,
        nats=free_port(),
        first_metrics=options.metrics_port,
    )
    stop, kill = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            kill.set()
        else:
            _tell("stopping …")
        stop.set()

    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signal_number, on_signal)

    def ready(pids: Mapping[str, int]) -> None:
        address = ",".join(f"{HOST}:{port}" for port in ports.gateways)
        if options.json:
            line = json.dumps({"event": "ready", "address": address, "data": str(places.data), "pids": pids})
        else:
            elsewhere = "" if address == f"{HOST}:{options.default_port}" else f"TERTULIA_ADDRESS={address} "
            processes = ", ".join(f"{name} {pid}" for name, pid in pids.items())
            line = (
                f"ready on {address} (data in {places.data}; processes: {processes}); Ctrl-C stops it. "
                f"In another terminal: {elsewhere}tertulia --help"
            )
        print(line, flush=True)  # noqa: T201 - this is what the command says

    parts = plan(places, ports, options.elsewhere, verbose=options.verbose)
    await supervise(parts, stop=stop, kill=kill, ready=ready, tell=_tell)


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - as above
