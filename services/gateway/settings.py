"""What the gateway can be told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from libs.rpc.settings import PeerSettings


class GatewaySettings(PeerSettings, service="gateway"):
    """Settings of the gateway."""

    listen: str = Field(
        default="127.0.0.1:7420", description="Address that clients connect to: `host:port` or `unix:/path`."
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="PEM file of the certificate chain. With it clients connect over TLS 1.2 or 1.3. "
        "It is read again when it changes, and so is its key.",
    )
    tls_key: Path | None = Field(default=None, description="PEM file of the certificate's private key.")
    channel: str = Field(description="Address of channel: `host:port`, `dns:///name:port` or `unix:/path`.")
    message_store: str = Field(
        description="Address of message_store, written likewise; of several processes one is enough, and more, with commas "
        "between them, are tried when one does not answer."
    )
    presence: str = Field(description="Address of presence, written likewise.")

    max_request_bytes: int = Field(
        default=256 * 1024, ge=64 * 1024, description="The largest frame or request that a client may send, in bytes."
    )
    max_streams: int = Field(
        default=1_000, ge=1, description="How many sessions and calls one connection of a client may carry at a time."
    )
    max_connections: int = Field(
        default=25_000,
        ge=1,
        description="How many connections the process holds, those in the middle of their TLS handshake too; more are closed as they come.",
    )
    max_connections_per_address: int = Field(
        default=5_000,
        ge=0,
        description="How many of them one address may have, of IPv6 one /64 network; more are closed as they come. Behind what shows its "
        "own address in place of theirs (a proxy, a load balancer, Kubernetes without `externalTrafficPolicy: Local`) all clients "
        "have that one: say 0, no limit, and have the clients counted there. Many people may share an address behind NAT.",
    )
    max_unauthenticated_connections: int = Field(
        default=5_000,
        ge=0,
        description="How many of them may be there on which nobody has shown a good token yet, at about 65 KB each. Of more, the newcomer is "
        "closed; or the oldest of the address that has the most of them, if the newcomer's has fewer. 0: no limit, nor of their age.",
    )
    unauthenticated_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How old such a connection becomes before it is closed, give or take 5 s. Its TLS may take 10 s, and the first token waits for "
        "channel. Health checks that keep a connection show none, and have to connect again; so do gRPC clients that keep one in reserve.",
    )
    connection_seconds: float = Field(
        default=600.0,
        gt=0,
        description="A connection that is about so old takes no new sessions and calls: its client opens another one, and finds "
        "gateways that have come since. What is open stays.",
    )
    max_sessions: int = Field(
        default=20_000, ge=1, description="How many sessions the process holds; beyond it new ones get OVERLOADED."
    )
    opening_sessions: int = Field(
        default=64, ge=1, description="How many sessions are opened at a time; others wait for their turn."
    )
    hello_seconds: float = Field(
        default=10.0, gt=0, le=60, description="How long a client may take for its first frame before its stream ends."
    )
    queue_bytes: int = Field(
        default=1024 * 1024,
        ge=64 * 1024,
        description="What may wait for a slow reader, in bytes; beyond it the session catches up from the log instead.",
    )
    stall_seconds: float = Field(
        default=10.0, gt=0, le=600, description="How long one write to a client may take before its session is cut."
    )
    max_delta_events: int = Field(
        default=1_000,
        ge=0,
        description="Of a log of which a client lacks more events than this, it gets a gap notice instead of the events.",
    )
    send_seconds: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="How long a send is tried before the client is told that its outcome is unknown.",
    )
    access_cache_seconds: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="How long an answer of channel about who may do what is believed in unary calls. Removed members may "
        "read for so long; nothing of theirs is appended.",
    )
    key_cache_seconds: float = Field(
        default=30.0, ge=0, le=600, description="How long a key is believed after channel confirmed it."
    )
    max_user_token_seconds: int = Field(
        default=15 * 60,
        ge=60,
        description="How long a user token may last from when it is shown, give or take a minute; later ones are TOKEN_INVALID. Whoever "
        "has stolen one has it for so long, unless it is revoked. Server tokens may last as long as they say.",
    )
    typing_max_members: int = Field(
        default=100, ge=0, description="Typing is passed on in channels of at most so many members."
    )
    receipts_max_members: int = Field(
        default=100,
        ge=0,
        description="Delivered positions that sessions tell are kept in channels of at most so many members; as channel's "
        "setting of that name.",
    )
    user_writes_per_second: float = Field(
        default=20.0,
        ge=0,
        description="How many messages, edits, deletions and reactions a user may write, or try to, at this gateway in the long run; "
        "beyond it RATE_LIMITED. 0: no limit. Server keys have none.",
    )
    user_writes_burst: int = Field(default=200, ge=1, description="How many at once, after a rest.")
    channel_writes_per_second: float = Field(
        default=200.0,
        ge=0,
        description="How many of them users may write in one channel at this gateway; beyond it RATE_LIMITED. 0: no limit.",
    )
    channel_writes_burst: int = Field(default=2_000, ge=1, description="How many at once, after a rest.")
    user_calls_per_second: float = Field(
        default=50.0,
        ge=0,
        description="How many unary methods a user, or a guest in one visit, may call at this gateway, on sessions too, whatever the "
        "answer is; following somebody counts alike. Beyond it RATE_LIMITED. 0: no limit. Server keys have none.",
    )
    user_calls_burst: int = Field(default=500, ge=1, description="How many at once, after a rest.")
    goodbye_seconds: float = Field(
        default=2.0,
        ge=0,
        le=300,
        description="On SIGTERM, goodbyes are spread over so much time, so that clients do not come back all at once. "
        "Keep it below drain_seconds.",
    )
    page_token_secret: SecretStr = Field(
        default=SecretStr("tertulia-page-tokens"),
        description="Signs page tokens; the same on all gateways. A forged token reaches nothing that its bearer may not "
        "read anyway.",
    )

    def service_addresses(self) -> Mapping[str, str]:
        return {"channel": self.channel, "message_store": self.message_store, "presence": self.presence}

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key need each other")
        return self
