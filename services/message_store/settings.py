"""Settings of message_store."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from libs.cassandra import ContactPoint, parse_contact_points
from libs.runtime.settings import ServiceSettings


class MessageStoreSettings(ServiceSettings, service="message_store"):
    """What message_store can be told."""

    store: Literal["sqlite", "cassandra"] = Field(default="sqlite", description="The engine that keeps the logs.")
    data_dir: Path | None = Field(
        default=None,
        description="With sqlite, needed: the directory that holds the logs (`logs.sqlite` and its companions). One process "
        "at a time uses it.",
    )
    cassandra_nodes: str = Field(
        default="127.0.0.1:9042",
        description="Some nodes of the ring, `host[:port],host[:port]…`; the others are learnt from them.",
    )
    cassandra_keyspace: str = Field(
        default="tertulia",
        description="The keyspace of the logs, with the schema that `python -m services.message_store.migrate` makes.",
    )
    cassandra_data_center: str = Field(
        default="", description="The data centre whose nodes are asked. Empty: that of `cassandra_nodes`."
    )
    cassandra_user: str = Field(default="", description="Empty: Cassandra asks for none.")
    cassandra_password: SecretStr = Field(default=SecretStr(""), description="Of `cassandra_user`.")
    bus_address: str = Field(default="nats://127.0.0.1:4222", description="Address of NATS: `nats://host:port`.")
    memory_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=1024 * 1024,
        description="About how much memory may hold what is remembered of logs (up to 0.8 MB of a busy one), for numbering "
        "and for recognising repetitions. Logs not used for longest are forgotten first, and read again when needed.",
    )

    @field_validator("cassandra_nodes")
    @classmethod
    def _are_nodes(cls, text: str) -> str:
        parse_contact_points(text)
        return text

    @property
    def cassandra_contact_points(self) -> list[ContactPoint]:
        """The nodes in `cassandra_nodes`."""
        return parse_contact_points(self.cassandra_nodes)
