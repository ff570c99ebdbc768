"""The composition root of `tertulia serve`."""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import tertulia
from tertulia.tokens import DEVELOPMENT_SECRET, MAX_USER_TOKEN_SECONDS, Secret

from libs.runtime.errors import CannotStart, causes_of
from services.serve.places import Places, free_port, require_free, taken
from services.serve.plan import HOST, Elsewhere, Ports, plan
from services.serve.supervisor import supervise

_PEOPLE = ("alice", "bob")
"""Of the development application: whose links into the web client are shown."""


class Options(NamedTuple):
    """As given on the command line; see `services.serve.command`."""

    port: int
    """0: any free one."""
    gateways: int
    """How many: the second one listens on the port above, and so on."""
    message_stores: int
    """How many."""
    default_port: int
    """Where clients look that were told nothing."""
    web_port: int
    """0: any free one."""
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
            require_free(port, "--port")
    else:
        gateways = [free_port() for _ in range(options.gateways)]
    if options.web_port:
        require_free(options.web_port, "--web-port")
    ports = Ports(
        gateways=gateways,
        web=options.web_port or free_port(),
        nats=free_port(),
        first_metrics=options.metrics_port,
    )
    stop, kill = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            kill.set()
        else:
            stop.set()
            _tell("stopping …")

    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signal_number, on_signal)

    async def ready(pids: Mapping[str, int]) -> None:
        if options.json:
            said = _ready_json(ports, places, pids)
        else:
            await _make_people(f"{HOST}:{ports.gateways[0]}")
            said = _ready_text(options, ports, places, pids)
        print(said, flush=True)  # noqa: T201 - this is what the command says

    parts = plan(places, ports, options.elsewhere, message_stores=options.message_stores, verbose=options.verbose)
    await supervise(parts, stop=stop, kill=kill, ready=ready, tell=_tell)


def _ready_json(ports: Ports, places: Places, pids: Mapping[str, int]) -> str:
    return json.dumps(
        {
            "event": "ready",
            "address": _address(ports),
            "web": _web(ports),
            "data": str(places.data),
            "pids": pids,
        }
    )


def _ready_text(options: Options, ports: Ports, places: Places, pids: Mapping[str, int]) -> str:
    address = _address(ports)
    elsewhere = "" if address == f"{HOST}:{options.default_port}" else f"TERTULIA_ADDRESS={address} "
    processes = ", ".join(f"{name} {pid}" for name, pid in pids.items())
    secret = Secret.parse(DEVELOPMENT_SECRET)
    links = [f"  as {user_id}: {_web(ports)}/#user={user_id}&token={secret.user_token(user_id)}" for user_id in _PEOPLE]
    first = (
        f"ready on {address} and {_web(ports)} (data in {places.data}; processes: {processes}); Ctrl-C stops it. "
        f"In another terminal: {elsewhere}tertulia --help"
    )
    return "\n".join([first, f"In a browser, within {MAX_USER_TOKEN_SECONDS // 60} minutes:", *links])


async def _make_people(gateway: str) -> None:
    """Those whose links are shown, and a conversation for them to open, if they are not there yet."""
    try:
        async with tertulia.connect(gateway, token=Secret.parse(DEVELOPMENT_SECRET).server_token()) as server:
            await server.users.ensure(_PEOPLE)
            one, other = _PEOPLE
            await server.acting_for(one).channels.create_direct(other)
    except tertulia.TertuliaError as error:
        _tell(f"could not make {' and '.join(_PEOPLE)}: {error}")


def _address(ports: Ports) -> str:
    return ",".join(f"{HOST}:{port}" for port in ports.gateways)


def _web(ports: Ports) -> str:
    return f"http://{HOST}:{ports.web}"


def _tell(message: str) -> None:
    with suppress(OSError):  # whoever read it may be gone, and nothing depends on it
        print(message, file=sys.stderr, flush=True)  # noqa: T201 - as above
