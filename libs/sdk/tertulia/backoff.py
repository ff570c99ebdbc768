"""Waiting before another try."""

import secrets
from collections.abc import Callable

_random = secrets.SystemRandom().random


class Backoff:
    """Full jitter: the n-th wait is uniform in [0, min(cap, base · 2ⁿ)] seconds, so that many clients that failed at one
    moment do not come back at one moment (Brooker, "Exponential Backoff And Jitter", AWS 2015)."""

    def __init__(self, base: float, cap: float, random: Callable[[], float] = _random) -> None:
        self._base = base
        self._cap = cap
        self._random = random
        self._ceiling = base

    def next(self) -> float:
        """How long to wait now, in seconds."""
        wait = self._random() * self._ceiling
        self._ceiling = min(self._cap, self._ceiling * 2)
        return wait

    def reset(self) -> None:
        """It went well: begin with short waits again."""
        self._ceiling = self._base
