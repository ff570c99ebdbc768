"""What a service is told that speaks with others of ours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from libs.rpc.certificates import Certificates
from libs.runtime.settings import ServiceSettings


class PeerSettings(ServiceSettings, service=""):
    """Settings of a service behind the public doors, and of the gateway."""

    bus_address: str = Field(
        default="nats://127.0.0.1:4222",
        description="Address of NATS: `nats://host:port`, or `tls://host:port`, whose certificate `service_ca` must have signed for "
        "that host, or without one whoever this machine believes; a user and a password may stand before it, `user:password@`. Processes of message_store with the same one share the logs of a Cassandra.",
    )
    service_certificate: Path | None = Field(
        default=None,
        description="PEM file of the certificate chain by which other services know this one: a DNS name in it is `gateway`, "
        "`channel`, `message_store` or `presence`. With it, and the two below, services speak by mutual TLS 1.3 only. It is read "
        "again when it changes, and so are they.",
    )
    service_key: Path | None = Field(
        default=None,
        description="PEM file of that certificate's private key, not encrypted; RSA or ECDSA, for gRPC knows no Ed25519.",
    )
    service_ca: Path | None = Field(
        default=None,
        description="PEM file with the certificate of who signs those of all services, and of NATS; while that changes, of both.",
    )

    def certificates(self) -> Certificates | None:
        """None: services are reached without TLS.

        Raises:
            CannotStart: the files cannot be used.
        """
        if self.service_certificate is None or self.service_key is None:
            return None
        return Certificates(self.service_certificate, self.service_key, self.service_ca)

    def in_the_open(self) -> Mapping[str, str]:
        bus = {} if self.bus_address.startswith("tls://") else {"bus_address": self.bus_address}
        return bus if self.service_certificate is not None else {**bus, **self.service_addresses()}

    def service_addresses(self) -> Mapping[str, str]:
        """Where services speak with each other, by setting."""
        return {"listen": self.listen}

    @model_validator(mode="after")
    def _all_three(self) -> Self:
        given = [path is not None for path in (self.service_certificate, self.service_key, self.service_ca)]
        if any(given) and not all(given):
            raise ValueError("service_certificate, service_key and service_ca need each other")
        return self
