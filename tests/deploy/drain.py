"""How long a process may take from SIGTERM to its end, out of the numbers in the code."""

from collections.abc import Mapping

from libs.bus import nats as bus
from libs.log_store.cassandra import opening, ring
from libs.rpc import client
from libs.runtime import metrics
from libs.runtime.settings import ServiceSettings
from services.web import server as web_server

EXIT_SECONDS = 5.0
"""For what has no number: connections and threads that are let go, the interpreter's end."""


def drain_parts(service: str, settings: ServiceSettings) -> Mapping[str, float]:
    """What is done one after the other, and the seconds that each may take."""
    drain = settings.drain_seconds
    own: Mapping[str, Mapping[str, float]] = {
        "gateway": {
            "sessions end, goodbyes spread": drain,
            "open calls end": drain,
            "presence is told": client.CALL_SECONDS,
        },
        "channel": {"open calls end": drain},
        "message-store": {
            "others take the shards": ring._LEAVE_SECONDS + ring._LINGER_SECONDS,
            "open calls end": drain,
            "the last doorbells are heard": bus._FLUSH_SECONDS,
            "marks are written": opening._SETTLE_SECONDS,
        },
        "presence": {"open calls end": drain},
        "web": {"requests end, goodbyes spread": drain, "connections close": web_server._STOP_SECONDS},
    }
    common = {
        "metrics": metrics._STOP_SECONDS,
        "the bus is left": bus._CLOSE_SECONDS,
        "the process exits": EXIT_SECONDS,
    }
    return {**own[service], **common}
