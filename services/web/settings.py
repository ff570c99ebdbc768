"""What the web door can be told."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from libs.runtime.settings import ServiceSettings

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d{1,5})?")
_HOST = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?")


def words(text: str) -> list[str]:
    """The parts of a setting that is a list: separated by commas or blanks."""
    return text.replace(",", " ").split()


class WebSettings(ServiceSettings, service="web"):
    """Settings of the web door."""

    listen: str = Field(default="127.0.0.1:7480", pattern=r"^.+:\d{1,5}$", description="Address of HTTP: `host:port`.")
    gateway: str = Field(description="Address of the gateway: `host:port`, `dns:///name:port` or `unix:/path`.")
    gateway_ca: Path | None = Field(
        default=None,
        description="PEM file with the certificate of who signed the gateway's. With it the gateway is reached over TLS.",
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="PEM file of the certificate chain. With it HTTP/2 and HTTP/1.1 are served over TLS 1.3.",
    )
    tls_key: Path | None = Field(default=None, description="PEM file of the certificate's private key.")
    allowed_origins: str = Field(
        default="",
        description="Origins of other pages that may call the API and embed the client, separated by commas: "
        "`https://shop.example`. Pages of the door itself always may.",
    )
    allowed_hosts: str = Field(
        default="",
        description="Names under which the door is asked for, separated by commas, without ports: others are refused. "
        "Empty: any.",
    )
    image_hosts: str = Field(
        default="",
        description="Hosts from which the web client shows pictures inside the conversation, separated by commas: "
        "`img.example`, `*.cdn.example`. Others stay links.",
    )
    client_dir: Path | None = Field(
        default=None, description="Directory of the web client's built files. Empty: those that came with this code."
    )
    development_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Only in development: an application's secret, with which anybody may be any of its users "
        "(`POST /development/token`). Empty: nobody may.",
    )

    max_request_bytes: int = Field(
        default=256 * 1024,
        ge=64 * 1024,
        description="The largest request body, in bytes; the gateway has the same limit.",
    )
    request_seconds: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="How long a request's body may take to arrive, and a call to be answered.",
    )
    max_requests: int = Field(
        default=4_000,
        ge=1,
        description="How many requests, streams included, are open at a time; others get OVERLOADED.",
    )
    queue_bytes: int = Field(
        default=64 * 1024,
        ge=16 * 1024,
        description="What may wait for a slow reader of a stream, in bytes. Beyond it the gateway keeps the rest in a queue of the session's own.",
    )
    stall_seconds: float = Field(
        default=15.0, gt=0, le=600, description="How long one write to a client may take before its request is cut."
    )
    heartbeat_seconds: float = Field(
        default=15.0,
        gt=0,
        le=600,
        description="A stream that was silent for so long gets an empty frame, so that both ends and proxies know it is alive.",
    )
    goodbye_seconds: float = Field(
        default=1.0,
        ge=0,
        le=300,
        description="On SIGTERM, goodbyes are spread over so much time, so that clients do not come back all at once. "
        "Keep it below drain_seconds.",
    )
    drain_seconds: float = Field(
        default=4.0, ge=0, le=600, description="On SIGTERM, how long open requests may take to end before they are cut."
    )

    def in_the_open(self) -> Mapping[str, str]:
        return {} if self.gateway_ca is not None else {"gateway": self.gateway}

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: str) -> str:
        return _all(_ORIGIN, value, "an origin like https://shop.example")

    @field_validator("image_hosts", "allowed_hosts")
    @classmethod
    def _hosts(cls, value: str) -> str:
        return _all(_HOST, value, "a host like img.example")

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key need each other")
        return self


def _all(form: re.Pattern[str], value: str, what: str) -> str:
    for word in words(value):
        if not form.fullmatch(word):  # it goes into headers, so nothing else may be in it
            raise ValueError(f"{word!r} is not {what}")
    return value
