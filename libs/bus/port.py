"""The port of the bus."""

from collections.abc import Callable
from typing import Protocol

MAX_PAYLOAD_BYTES = 900_000
"""What a publisher keeps its payloads below (nats-server's default limit is 1 MiB)."""


class Subscription(Protocol):
    """A subscription to one subject."""

    async def cancel(self) -> None:
        """No more payloads are handed over once this returns. Safe to repeat."""


class Bus(Protocol):
    """At most once, in the order of one publisher on one subject. Subjects hold no user's text (see libs.bus.subjects)."""

    async def publish(self, subject: str, payload: bytes) -> None:
        """Send a payload to whoever listens. Does not wait for the network: what cannot be sent is dropped and counted.

        Raises:
            ValueError: the payload is larger than `MAX_PAYLOAD_BYTES`.
        """

    async def subscribe(self, subject: str, handler: Callable[[bytes], None]) -> Subscription:
        """Hand every payload of a subject to `handler`, which only enqueues: it must be quick and must not raise.

        It is sure to hear what is published after the next `flush` has returned.

        Raises:
            BusUnavailable: the bus cannot be reached.
        """

    async def flush(self) -> None:
        """Wait until the server has seen all that was done before.

        Raises:
            BusUnavailable: it does not answer within the deadline.
        """

    def on_disturbance(self, handler: Callable[[], None]) -> None:
        """Call `handler` whenever payloads may have been lost: after a reconnect, also one because this process was too slow."""


class BusUnavailable(Exception):
    """The bus does not answer; it is tried again by itself."""
