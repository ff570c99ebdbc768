"""The time of day."""

import time


def now_ms() -> int:
    """Milliseconds since the Unix epoch: for people to read, never for order (DESIGN §3)."""
    return time.time_ns() // 1_000_000
