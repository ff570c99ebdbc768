"""What the presence service can be told."""

from pydantic import Field

from libs.rpc.settings import PeerSettings


class PresenceSettings(PeerSettings, service="presence"):
    """Settings of the presence service."""

    lease_seconds: float = Field(
        default=9.0,
        ge=1,
        le=300,
        description="How long what a gateway told holds without another word of it. Gateways renew every third of it.",
    )
    grace_seconds: float = Field(
        default=5.0,
        ge=0,
        le=300,
        description="How long a user stays online after the last session ended, so that a reconnect is not announced. "
        "Keep it above a third of the lease: gateways tell again within that time when a lease was lost by mistake.",
    )
    last_seen_users: int = Field(
        default=100_000,
        ge=0,
        description="Of how many users, those seen last, it is remembered when that was (about 300 bytes each).",
    )
