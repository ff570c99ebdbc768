"""Settings of the channel service."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from libs.cassandra.settings import EngineSettings
from libs.directory.applications import Key
from libs.runtime.settings import is_local
from services.channel.secret_string import SecretMalformed, parse_secret

DEVELOPMENT_SECRET = "sk.dev.dev.tertulia-development-secret-not-for-production"  # noqa: S105 - known to everybody


class ChannelSettings(EngineSettings, service="channel"):
    """What the channel service can be told."""

    database: Path | None = Field(
        default=None, description="With sqlite, needed: the file. One process at a time uses it."
    )
    message_store: str = Field(
        description="Address of message_store: `host:port`, `dns:///name:port` or `unix:/path`; of several processes one is "
        "enough, and more, with commas between them, are tried when one does not answer."
    )
    max_channel_members: int = Field(
        default=10_000, ge=2, le=100_000, description="How many members a channel may have; beyond it LIMIT_REACHED."
    )
    receipts_max_members: int = Field(
        default=100,
        ge=0,
        description="What was delivered and read is pushed to others in channels of at most so many members.",
    )
    sweep_seconds: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="How often changes of channels that a crash or an outage interrupted are looked for and finished.",
    )
    development: bool = Field(
        default=False,
        description="Makes the application of `development_secret` at start. Only where `listen` is local to the machine.",
    )
    development_secret: SecretStr = Field(
        default=SecretStr(DEVELOPMENT_SECRET),
        description="The development application's server key, `sk.<application>.<key>.<text>`. Valid while `development`.",
    )

    @property
    def development_key(self) -> Key | None:
        """The development application's key, while there is one."""
        return parse_secret(self.development_secret.get_secret_value()) if self.development else None

    def service_addresses(self) -> Mapping[str, str]:
        return {"listen": self.listen, "message_store": self.message_store}

    @model_validator(mode="after")
    def _development_is_local(self) -> Self:
        if not self.development:
            return self
        if not is_local(self.listen):
            raise ValueError("development: a well-known secret is accepted only where listen is unix: or loopback")
        try:
            _ = self.development_key
        except SecretMalformed as error:
            raise ValueError(f"development_secret: {error}") from None
        return self


class CommandSettings(ChannelSettings, service="channel"):
    """Of commands on what the service keeps: what it must be told beside where that is, they need not be."""

    listen: str = "unix:unused"
    message_store: str = "unix:unused"
