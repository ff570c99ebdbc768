"""Buses that lose what they are given."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from prometheus_client import CollectorRegistry

from libs.bus import Bus
from libs.bus.nats import nats_bus
from libs.bus.subjects import HEADS
from libs.rpc.certificates import Certificates

Connecting = Callable[[str, str, CollectorRegistry, Certificates | None], AbstractAsyncContextManager[object]]


class _Losing:
    """Loses a share of doorbells, and all head digests or none."""

    def __init__(self, bus: Bus, share: float, *, heads: bool) -> None:
        self._bus = bus
        self._share = share
        self._heads = heads

    async def publish(self, subject: str, payload: bytes) -> None:
        lost = self._heads if subject == HEADS else random.random() < self._share
        if not lost:
            await self._bus.publish(subject, payload)

    def __getattr__(self, name: str) -> object:
        return getattr(self._bus, name)


def losing(share: float, *, heads: bool) -> Connecting:
    """What connects to NATS by way of such a bus."""

    @asynccontextmanager
    async def connect(
        address: str, name: str, registry: CollectorRegistry, certificates: Certificates | None
    ) -> AsyncIterator[object]:
        async with nats_bus(address, name, registry, certificates) as bus:
            yield _Losing(bus, share, heads=heads)

    return connect
