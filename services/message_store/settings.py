"""Settings of message_store."""

from pathlib import Path

from pydantic import Field

from libs.cassandra.settings import EngineSettings


class MessageStoreSettings(EngineSettings, service="message_store"):
    """What message_store can be told."""

    data_dir: Path | None = Field(
        default=None,
        description="With sqlite, needed: the directory that holds the logs (`logs.sqlite` and its companions). One process "
        "at a time uses it.",
    )
    bus_address: str = Field(default="nats://127.0.0.1:4222", description="Address of NATS: `nats://host:port`.")
    memory_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=1024 * 1024,
        description="About how much memory may hold what is remembered of logs (up to 0.8 MB of a busy one), for numbering "
        "and for recognising repetitions. Logs not used for longest are forgotten first, and read again when needed.",
    )
