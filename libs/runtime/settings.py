"""Settings of a service: from the environment, then from files of secrets, then from a TOML file, then the defaults in the code."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from libs.runtime.errors import CannotStart

CONFIG_FILE_VARIABLE = "TERTULIA_CONFIG"
"""Names the environment variable that holds the path of the TOML file. It has one table per service."""

SECRETS_VARIABLE = "TERTULIA_SECRETS"
"""Names the environment variable that holds the path of a directory: a file there, named as a setting's environment variable, has
its value. That is how orchestrators mount secrets; an environment is shown to everybody who may look at a process."""


_LOCAL = re.compile(
    r"unix:.+|(dns:///|ipv4:|nats://|tls://)?([^@/]*@)?(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d+)?", re.IGNORECASE
)


def is_local(address: str) -> bool:
    """Whether an address, or each of several with commas between them, is one that only processes of this machine reach."""
    return all(_LOCAL.fullmatch(part.strip()) for part in address.split(","))


class ServiceSettings(BaseSettings):
    """What every service can be told. Each service adds its own; the field descriptions are the documentation.

    Made by `load_settings`.
    """

    service: ClassVar[str]

    listen: str = Field(description="Address that the gRPC server listens on: `host:port` or `unix:/path`.")
    metrics_listen: str = Field(
        default="",
        pattern=r"^(.+:\d{1,5})?$",
        description="`host:port` that Prometheus scrapes at `/metrics`. Empty: no metrics are served.",
    )
    probes_listen: str = Field(
        default="",
        description="Address at which probes are answered: gRPC health without TLS, asked for `startup`, `readiness` or "
        "`liveness`; `host:port` or `unix:/path`. Empty: nowhere.",
    )
    trust_network: bool = Field(
        default=False,
        description="Lets what is not encrypted leave this machine. Only where the network keeps everybody else out: whoever reaches a "
        "service without TLS is believed. Without it, addresses that are neither `unix:` nor loopback need TLS.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe lines that are logged."
    )
    drain_seconds: float = Field(
        default=10.0, ge=0, le=600, description="On SIGTERM, how long open calls may take to end before they are cut."
    )

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    def in_the_open(self) -> Mapping[str, str]:
        """Addresses, by setting, at which other parts of Tertulia are met without encryption. Those for clients are not among them."""
        return {}

    def beyond_this_machine(self) -> list[str]:
        """The settings among these whose address is not local."""
        return [setting for setting, address in self.in_the_open().items() if not is_local(address)]

    @model_validator(mode="after")
    def _network_is_trusted(self) -> Self:
        if not self.trust_network and (beyond := self.beyond_this_machine()):
            raise ValueError(
                f"{', '.join(beyond)}: without TLS only unix: and loopback addresses are taken; give the files for TLS (see "
                "docs/settings.md), or set trust_network=true where the network keeps everybody else out"
            )
        return self

    def __init_subclass__(cls, *, service: str, **kwargs: object) -> None:
        cls.service = service
        cls.model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=environment_prefix(service))
        super().__init_subclass__()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = [init_settings, env_settings]
        if secrets := os.environ.get(SECRETS_VARIABLE):
            sources.append(SecretsSettingsSource(cls, _directory(Path(secrets))))
        if path := os.environ.get(CONFIG_FILE_VARIABLE):
            sources.append(InitSettingsSource(cls, _service_table(Path(path), cls.service)))
        return tuple(sources)


Settings = TypeVar("Settings", bound=ServiceSettings)


def environment_prefix(service: str) -> str:
    """What the environment variables of a service's settings begin with."""
    return f"TERTULIA_{service.upper().replace('-', '_')}_"


def load_settings(settings_class: type[Settings]) -> Settings:
    """Read a service's settings from the environment and the file.

    Raises:
        CannotStart: the file cannot be read, it has a key that is no setting, or a value is missing or wrong. The message
            names every such setting and shows none of the values, which may be secrets.
    """
    try:
        return settings_class.model_validate({})
    except ValidationError as error:
        complaints = [
            f"{'.'.join(map(str, complaint['loc']))}: {complaint['msg']}"
            for complaint in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise CannotStart(f"settings of {settings_class.service}: {'; '.join(complaints)}") from None


def _directory(path: Path) -> Path:
    if not path.is_dir():
        raise CannotStart(f"{SECRETS_VARIABLE}={path}: there is no such directory")
    return path


def _service_table(path: Path, service: str) -> dict[str, object]:
    """One service's table of the shared TOML file."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # unreadable, not UTF-8, no TOML
        raise CannotStart(f"{CONFIG_FILE_VARIABLE}={path}: {error}") from error
    table = tables.get(service, {})
    if not isinstance(table, dict):
        raise CannotStart(f"{CONFIG_FILE_VARIABLE}={path}: [{service}] must be a table")
    return table
