"""How long things took."""

import math
from collections import Counter

_PRECISION = 1.01  # of neighbouring buckets: a percentile is told at most 1% too high
_SHORTEST_SECONDS = 1e-6
_PERCENTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "p99.9": 0.999}


class Latencies:
    """A histogram whose size depends on the spread of what it holds and not on how much that is."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self._max = 0.0

    def add(self, seconds: float) -> None:
        self._buckets[math.ceil(math.log(max(seconds, _SHORTEST_SECONDS) / _SHORTEST_SECONDS, _PRECISION))] += 1
        self.count += 1
        self._max = max(seconds, self._max)

    def percentile(self, share: float) -> float:
        """So many seconds are not exceeded by this share of all; 0 where there is nothing."""
        wanted = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            wanted -= self._buckets[bucket]
            if wanted <= 0:
                return min(self._max, _SHORTEST_SECONDS * _PRECISION**bucket)
        return self._max

    def milliseconds(self) -> dict[str, float]:
        """The usual percentiles, and the longest."""
        told = {name: self.percentile(share) for name, share in _PERCENTILES.items()} | {"max": self._max}
        return {name: round(seconds * 1000, 2) for name, seconds in told.items()}
