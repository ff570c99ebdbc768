"""What a service is told of the ring that may keep its data."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from libs.cassandra.driver import cassandra_session, parse_contact_points
from libs.cassandra.session import Session
from libs.rpc.settings import PeerSettings


class EngineSettings(PeerSettings, service=""):
    """Settings of a service whose data is on SQLite or on Cassandra."""

    store: Literal["sqlite", "cassandra"] = Field(
        default="sqlite", description="The engine that keeps what the service owns."
    )
    cassandra_nodes: str = Field(
        default="127.0.0.1:9042",
        description="Some nodes of the ring, `host[:port],host[:port]…`; the others are learnt from them.",
    )
    cassandra_keyspace: str = Field(
        default="tertulia",
        description="The keyspace, with the schema that `python -m services.<service>.migrate` makes.",
    )
    cassandra_data_center: str = Field(
        default="", description="The data centre whose nodes are asked. Empty: that of `cassandra_nodes`."
    )
    cassandra_user: str = Field(default="", description="Empty: Cassandra asks for none.")
    cassandra_password: SecretStr = Field(default=SecretStr(""), description="Of `cassandra_user`.")
    cassandra_ca: Path | None = Field(
        default=None,
        description="PEM file with the certificate of who signs those of Cassandra's nodes. With it they are reached over TLS; whoever "
        "has a certificate of that authority is believed to be a node, whatever its name. It is read at the start only.",
    )

    def in_the_open(self) -> Mapping[str, str]:
        there = super().in_the_open()
        if self.store == "cassandra" and self.cassandra_ca is None:
            return {**there, "cassandra_nodes": self.cassandra_nodes}
        return there

    @field_validator("cassandra_nodes")
    @classmethod
    def _are_nodes(cls, text: str) -> str:
        parse_contact_points(text)
        return text


def open_session(settings: EngineSettings, create_with_replicas: int = 0) -> AbstractAsyncContextManager[Session]:
    """Connect to the keyspace, with `create_with_replicas` make it if it is missing. A ring that does not answer is waited for.

    Raises:
        NotMigrated: there is no such keyspace.
        NotAllowed: the user may not create it.
        CassandraError: this was not answered.
        CannotStart: the credentials are wrong, or the certificate cannot be used.
    """
    return cassandra_session(
        parse_contact_points(settings.cassandra_nodes),
        settings.cassandra_keyspace,
        data_center=settings.cassandra_data_center,
        user=settings.cassandra_user,
        password=settings.cassandra_password.get_secret_value(),
        authority=settings.cassandra_ca,
        create_with_replicas=create_with_replicas,
    )
