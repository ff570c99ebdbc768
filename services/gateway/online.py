"""Tells presence which users have a session here, and holds the gateway's lease there."""

import asyncio
import secrets
from collections import Counter

import structlog
from tertulia_internal.presence.v1 import presence_pb2, presence_pb2_grpc

from libs.rpc.caller import Caller
from libs.rpc.client import call
from libs.rpc.errors import TertuliaError

log = structlog.get_logger()

_FIRST_LEASE_SECONDS = 3.0  # until presence has said how long it lasts
_RETRY_SECONDS = 0.5

_User = tuple[str, str]


class Online:
    """Counts sessions per user and reports changes as they come, and every third of the lease in any case.

    One report is under way at a time, and the next says what changed meanwhile. After one whose outcome is not known the
    next is a full one.
    """

    def __init__(self, stub: "presence_pb2_grpc.PresenceServiceAsyncStub") -> None:
        self._stub = stub
        self._incarnation = secrets.token_hex(16)
        self._sessions: Counter[_User] = Counter()
        self._changed: set[_User] = set()
        self._told: set[_User] = set()
        self._full = True
        self._sequence = 0
        self._lease_seconds = _FIRST_LEASE_SECONDS
        self._wake = asyncio.Event()

    def opened(self, caller: Caller) -> None:
        self._count(caller, 1)

    def closed(self, caller: Caller) -> None:
        self._count(caller, -1)

    async def run(self) -> None:
        """Report, for ever; when cancelled, say that everybody has left."""
        try:
            while True:
                try:
                    async with asyncio.timeout(self._lease_seconds / 3):
                        await self._wake.wait()
                except TimeoutError:
                    pass  # nothing has changed: renew the lease
                if not await self.report():
                    await asyncio.sleep(_RETRY_SECONDS)
        finally:
            self._sessions.clear()
            self._full = True
            await self.report()

    async def report(self) -> bool:
        """Tell presence what changed. False: it has to be told again."""
        self._wake.clear()
        changed, self._changed = self._changed, set()
        online = (
            set(self._sessions) if self._full else {user for user in changed if user in self._sessions} - self._told
        )
        # in a full report, too: presence may have restarted, and others take those who left meanwhile for online
        offline = self._told - set(self._sessions) if self._full else (changed - set(self._sessions)) & self._told
        self._sequence += 1
        request = presence_pb2.ReportRequest(
            gateway_incarnation=self._incarnation,
            sequence=self._sequence,
            full=self._full,
            online=_keys(online),
            offline=_keys(offline),
        )
        try:
            response = await call(self._stub.Report, request)
        except TertuliaError as error:
            log.warning("presence_not_reported", error=str(error))
            self._ask_again()
            return False
        self._lease_seconds = response.lease_ms / 1000
        if response.full_needed:
            self._ask_again()
            return True
        self._told = online if self._full else (self._told | online) - offline
        self._full = False
        return True

    def _ask_again(self) -> None:
        self._full = True
        self._wake.set()

    def _count(self, caller: Caller, change: int) -> None:
        user = (caller.application_id, caller.user_id)
        self._sessions[user] += change
        if not self._sessions[user]:
            del self._sessions[user]
        self._changed.add(user)
        self._wake.set()


def _keys(users: set[_User]) -> list[presence_pb2.UserKey]:
    return [presence_pb2.UserKey(application_id=application_id, user_id=user_id) for application_id, user_id in users]
