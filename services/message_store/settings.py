"""Settings of message_store."""

import socket
from pathlib import Path

from pydantic import Field

from libs.cassandra.settings import EngineSettings
from libs.runtime.errors import CannotStart

_EVERYWHERE = frozenset({"", "0.0.0.0", "[::]"})  # noqa: S104 - what may be asked for


class MessageStoreSettings(EngineSettings, service="message_store"):
    """What message_store can be told."""

    data_dir: Path | None = Field(
        default=None,
        description="With sqlite, needed: the directory that holds the logs (`logs.sqlite` and its companions). One process "
        "at a time uses it.",
    )
    advertise: str = Field(
        default="",
        description="With cassandra: the address under which the other services, and the other processes of this one, reach this "
        "process. Empty: `listen`, with the address of this host where that listens on all.",
    )
    memory_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=1024 * 1024,
        description="About how much memory may hold what is remembered of logs (up to 0.8 MB of a busy one), for numbering "
        "and for recognising repetitions. Logs not used for longest are forgotten first, and read again when needed.",
    )

    def own_address(self) -> str:
        """Where others reach this process.

        Raises:
            CannotStart: it must be set.
        """
        host, _, port = self.listen.rpartition(":")
        if self.advertise or host not in _EVERYWHERE:
            return self.advertise or self.listen
        try:
            return f"{socket.gethostbyname(socket.gethostname())}:{port}"
        except OSError as error:
            raise CannotStart(
                f"settings of message_store: advertise: needed, as this host's name leads nowhere: {error}"
            ) from error
