"""How many connections there may be, and of whom. Plain counts; `door.py` asks."""

import ipaddress
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from libs.http2.limits import Limits

_LIMITS = ("process", "address", "unauthenticated")
_NETWORK_BYTES = 8  # of an IPv6 address: whoever has one has all 2^64 of its network


class Place:
    """What one connection takes up, from when TCP has it until it has gone."""

    __slots__ = ("_admission", "address", "gone", "hang_up", "unknown")

    def __init__(self, admission: "Admission", address: str, *, unknown: bool) -> None:
        self.address = address
        self.hang_up: Callable[[], object] = _nothing
        """Ends the connection at once, whatever it is doing."""
        self.unknown = unknown
        """Nobody has shown on it who they are, and that matters."""
        self.gone = False
        self._admission = admission

    def authenticated(self) -> None:
        """It is known who that is. Safe to repeat."""
        if self.unknown:
            self.unknown = False
            self._admission.known(self)

    def leave(self) -> None:
        """The connection has gone. Safe to repeat."""
        if not self.gone:
            self.authenticated()
            self.gone = True
            self.hang_up = _nothing  # else it would hold its connection, which holds it
            self._admission.left(self)


class Admission(Collector):
    """The places of a server, and its figures of them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._count = 0
        self._of_address: Counter[str] = Counter()
        self._unknown: dict[Place, None] = {}
        """The oldest first."""
        self._unknown_of_address: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    def admit(self, address: str) -> Place | None:
        """A place for a connection that comes from there, "" being this machine; None: there is none."""
        limits = self._limits
        if address and 0 < limits.max_connections_per_address <= self._of_address[address]:
            self._refused["address"] += 1
            return None
        if self._count >= limits.max_connections and not self._make_room("process", address):
            self._refused["process"] += 1
            return None
        if 0 < limits.max_unauthenticated <= len(self._unknown) and not self._make_room("unauthenticated", address):
            self._refused["unauthenticated"] += 1
            return None
        place = Place(self, address, unknown=self._limits.max_unauthenticated > 0)
        self._count += 1
        self._of_address[address] += 1
        if place.unknown:
            self._unknown[place] = None
            self._unknown_of_address[address] += 1
        return place

    def known(self, place: Place) -> None:
        """It is not unknown any more."""
        del self._unknown[place]
        _decrement(self._unknown_of_address, place.address)

    def left(self, place: Place) -> None:
        self._count -= 1
        _decrement(self._of_address, place.address)

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "tertulia_connections",
            "Connections of clients, those in the middle of their TLS handshake too.",
            self._count,
        )
        yield GaugeMetricFamily(
            "tertulia_connections_unauthenticated",
            "Those of them on which nobody has shown a good token yet.",
            len(self._unknown),
        )
        refused = CounterMetricFamily(
            "tertulia_connections_refused", "Connections hung up on for a limit of their number.", labels=["limit"]
        )
        for limit in _LIMITS:
            refused.add_metric([limit], self._refused[limit])
        yield refused

    def _make_room(self, limit: str, address: str) -> bool:
        """For that limit, hang up on the oldest unknown one of the address that has the most of them, if the newcomer's own has fewer.

        So one machine, or some, cannot keep all others out: what they hold goes, the longest held first. Where all have as many, as
        after a restart, whoever has begun to shake hands goes on.
        """
        if len(self._unknown) - len(self._unknown_of_address) <= self._unknown_of_address[address]:
            return False  # as below, without a look at each: no address can have more than that and one
        [(busiest, count)] = self._unknown_of_address.most_common(1)
        if count <= self._unknown_of_address[address] + 1:
            return False
        oldest = next(place for place in self._unknown if place.address == busiest)
        self._refused[limit] += 1
        oldest.hang_up()
        oldest.leave()
        return True


def address_of(family: int, name: Sequence[str | int] | str) -> str:
    """By what connections are counted, of a socket's family and the name of its peer: the address, of IPv6 the network; "" behind a Unix socket."""
    if family == socket.AF_UNIX:
        return ""
    host = str(name[0])
    return ipaddress.IPv6Address(host).packed[:_NETWORK_BYTES].hex() if family == socket.AF_INET6 else host


def _nothing() -> None:
    """What is to be done about a connection that nobody has begun to serve."""


def _decrement(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
