"""What a client learns of an exception, and what operators learn of calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from libs.rpc.caller import correlation_id
from libs.rpc.errors import Internal, TertuliaError, internal

log = structlog.get_logger()


def clean(error: Exception) -> TertuliaError:
    """An error of ours as it is; every other is logged, and hidden behind a correlation id (I10).

    It is told without the frames that it came through: they hold the call, or the session, which may hold it. The collector would find
    that, but comes late to a gateway (`keep_memory_settled`), and whoever misuses calls makes thousands of them a second.
    """
    if not isinstance(error, TertuliaError) or isinstance(error, Internal):
        log.error("call_failed", exc_info=error)  # under the correlation id that the client is told
    told = error if isinstance(error, TertuliaError) else internal(correlation_id.get())
    told.__traceback__ = told.__cause__ = told.__context__ = None
    return told


class CallFigures:
    """Counts and times unary calls."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter("tertulia_rpc_calls", "Unary calls answered.", ["method", "code"], registry=registry)
        self._seconds = Histogram(
            "tertulia_rpc_seconds",
            "Time to answer unary calls.",
            ["method"],
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )
        self._known: dict[str, tuple[Counter, Histogram]] = {}

    @contextmanager
    def observed(self, method: str) -> Iterator[None]:
        """Observe one call."""
        begun = perf_counter()
        answered, took = self._of(method)
        try:
            yield
        except Exception as error:
            code = error.code if isinstance(error, TertuliaError) else Internal.code
            self._calls.labels(method, code.name).inc()
            raise
        else:
            answered.inc()
        finally:
            took.observe(perf_counter() - begun)

    def _of(self, method: str) -> tuple[Counter, Histogram]:
        """What counts the answers of a method, and what times it: labels are looked up once."""
        known = self._known.get(method)
        if known is None:
            known = self._known[method] = (self._calls.labels(method, "OK"), self._seconds.labels(method))
        return known
