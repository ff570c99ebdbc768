"""Where a server is."""

from collections.abc import Sequence
from ipaddress import IPv6Address

DEFAULT_PORT = 7420
"""On which `tertulia serve` listens."""

DEFAULT_ADDRESS = f"127.0.0.1:{DEFAULT_PORT}"
"""Where `tertulia serve` listens."""


def with_port(address: str) -> str:
    """An address that says which port: `host`, `[::1]` and `::1` get the default one. Else it stays as it is, also with a
    scheme that gRPC knows (`unix:`, `dns:`)."""
    if ":" not in address or address.endswith("]"):
        return f"{address}:{DEFAULT_PORT}"
    try:
        IPv6Address(address)
    except ValueError:
        return address
    return f"[{address}]:{DEFAULT_PORT}"


def listed(addresses: str | Sequence[str]) -> list[str]:
    """Addresses, each with its port; those in one string are separated by commas."""
    words = [addresses] if isinstance(addresses, str) else addresses
    return [with_port(part.strip()) for word in words for part in word.split(",") if part.strip()]
