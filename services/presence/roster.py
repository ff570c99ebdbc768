"""Who is online: the leases of gateways, the users they told of, and those who have just left.

A user is *held* while any gateway with a live lease says so, then *leaving* for the grace, and online during both.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class User(NamedTuple):
    """A user of an application."""

    application_id: str
    user_id: str


class Report(NamedTuple):
    """What a gateway tells; see ReportRequest in the protos."""

    gateway: str
    sequence: int
    full: bool
    online: Sequence[User]
    offline: Sequence[User]


class Standing(NamedTuple):
    """How a user is now."""

    online: bool
    last_seen_ms: int
    """Milliseconds since the Unix epoch; 0 while online, and where it is not known."""


@dataclass
class _Lease:
    sequence: int
    ends: float
    renewed_ms: int
    users: set[User] = field(default_factory=set)


class _Departure(NamedTuple):
    announce_at: float
    seen_ms: int


class Roster:
    """All of the state, in memory. Nothing here waits.

    `monotonic` counts seconds and judges leases and grace; `now_ms` is the wall clock, in milliseconds since the Unix epoch,
    and is only ever shown to people.
    """

    def __init__(
        self,
        *,
        lease_seconds: float,
        grace_seconds: float,
        last_seen_users: int,
        monotonic: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._lease_seconds = lease_seconds
        self._grace_seconds = grace_seconds
        self._last_seen_users = last_seen_users
        self._monotonic = monotonic
        self._now_ms = now_ms
        self._leases: dict[str, _Lease] = {}
        self._holds: Counter[User] = Counter()
        self._leaving: OrderedDict[User, _Departure] = (
            OrderedDict()
        )  # the grace is the same for all: the first ends first
        self._last_seen: OrderedDict[User, int] = OrderedDict()  # who left longest ago comes first

    @property
    def online_count(self) -> int:
        """How many users are online."""
        return len(self._holds) + len(self._leaving)

    @property
    def gateway_count(self) -> int:
        """How many gateways hold a lease."""
        return len(self._leases)

    def apply(self, report: Report) -> list[User] | None:
        """Renew a gateway's lease and take in what it tells: the users who came online by it.

        Those whom nobody holds any more are leaving; `sweep` tells when they are gone. None: the report does not follow on
        the last one known, and changed nothing.
        """
        lease = self._leases.get(report.gateway)
        if report.full:
            lease = lease or _Lease(0, 0.0, 0)
        elif lease is None or report.sequence != lease.sequence + 1:
            return None
        self._leases[report.gateway] = lease
        lease.sequence = report.sequence
        lease.ends = self._monotonic() + self._lease_seconds
        lease.renewed_ms = self._now_ms()

        came = [user for user in report.online if self._hold(lease, user)]
        gone: Iterable[User] = report.offline
        if report.full:
            # also those who left while this process did not run: others may still take them for online
            gone = (lease.users | set(report.offline)) - set(report.online)
        for user in gone:
            self._release(lease, user, lease.renewed_ms)
        return came

    def sweep(self) -> list[User]:
        """End leases and graces whose time has come: the users who went offline."""
        now = self._monotonic()
        for gateway in [gateway for gateway, lease in self._leases.items() if lease.ends <= now]:
            lease = self._leases.pop(gateway)
            for user in list(lease.users):
                self._release(lease, user, lease.renewed_ms)
        gone: list[User] = []
        while self._leaving and next(iter(self._leaving.values())).announce_at <= now:
            user, departure = self._leaving.popitem(last=False)
            self._remember(user, departure.seen_ms)
            gone.append(user)
        return gone

    def standing(self, user: User) -> Standing:
        """How a user is now. Of somebody never heard of: offline, last seen unknown."""
        if user in self._holds or user in self._leaving:
            return Standing(online=True, last_seen_ms=0)
        return Standing(online=False, last_seen_ms=self._last_seen.get(user, 0))

    def _hold(self, lease: _Lease, user: User) -> bool:
        """True if the user came online by it."""
        if user in lease.users:
            return False
        lease.users.add(user)
        self._holds[user] += 1
        if self._leaving.pop(user, None) is not None or self._holds[user] > 1:
            return False
        self._last_seen.pop(user, None)
        return True

    def _release(self, lease: _Lease, user: User, seen_ms: int) -> None:
        if user in lease.users:
            lease.users.discard(user)
            self._holds[user] -= 1
            if not self._holds[user]:
                del self._holds[user]
        if user not in self._holds and user not in self._leaving and user not in self._last_seen:
            self._leaving[user] = _Departure(self._monotonic() + self._grace_seconds, seen_ms)

    def _remember(self, user: User, seen_ms: int) -> None:
        self._last_seen[user] = seen_ms
        self._last_seen.move_to_end(user)
        if len(self._last_seen) > self._last_seen_users:
            self._last_seen.popitem(last=False)
