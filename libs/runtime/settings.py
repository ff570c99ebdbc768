"""Settings of a service: from the environment, then from a TOML file, then the defaults in the code."""

import os
from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

CONFIG_FILE_VARIABLE = "TERTULIA_CONFIG"
"""Names the environment variable that holds the path of the TOML file. It has one table per service."""


class _ServiceTable(TomlConfigSettingsSource):
    """One service's table of the shared TOML file."""

    def __init__(self, settings_class: type["ServiceSettings"], path: Path) -> None:
        super().__init__(settings_class, toml_file=path)
        self.init_kwargs = self.toml_data = self.toml_data.get(settings_class.service, {})


class ServiceSettings(BaseSettings):
    """What every service can be told. Each service adds its own; the field descriptions are the documentation.

    Raises:
        pydantic.ValidationError: a value is missing or wrong; it names the setting.
    """

    service: ClassVar[str]

    listen: str = Field(description="Address that the gRPC server listens on: `host:port` or `unix:/path`.")
    metrics_listen: str = Field(
        default="", description="`host:port` that Prometheus scrapes at `/metrics`. Empty: no metrics are served."
    )
    log_level: str = Field(default="info", description="`debug`, `info`, `warning` or `error`.")
    drain_seconds: float = Field(
        default=10.0, ge=0, le=600, description="On SIGTERM, how long open calls may take to end before they are cut."
    )

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    def __init_subclass__(cls, *, service: str, **kwargs: object) -> None:
        cls.service = service
        cls.model_config = SettingsConfigDict(
            extra="forbid", frozen=True, env_prefix=f"TERTULIA_{service.upper().replace('-', '_')}_"
        )
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
        path = os.environ.get(CONFIG_FILE_VARIABLE)
        if not path:
            return (init_settings, env_settings)
        return (init_settings, env_settings, _ServiceTable(cls, Path(path)))
