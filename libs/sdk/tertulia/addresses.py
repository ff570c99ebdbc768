"""Where a server is."""

from collections.abc import Sequence
from ipaddress import IPv6Address

DEFAULT_PORT = 7420
"""On which `tertulia serve` listens."""

DEFAULT_ADDRESS = f"127.0.0.1:{DEFAULT_PORT}"
"""Where `tertulia serve` listens."""

_MAX_PORT = 65_535
_SCHEMES = ("dns", "ipv4", "ipv6", "unix", "unix-abstract", "xds")  # that gRPC knows


class AddressInvalid(ValueError):
    """It is no address of a gateway."""


def with_port(address: str) -> str:
    """An address that says which port: `host`, `[::1]` and `::1` get the default one. Else it stays as it is, also with a
    scheme that gRPC knows (`unix:`, `dns:`).

    Raises:
        AddressInvalid: it has another scheme (`http:`), or its port is none.
    """
    if ":" not in address or address.endswith("]"):
        return f"{address}:{DEFAULT_PORT}"
    try:
        IPv6Address(address)
    except ValueError:
        if address.partition(":")[0] not in _SCHEMES and not address.rpartition(":")[2].isdecimal():
            raise AddressInvalid(f"{address!r} is no address of a gateway; give host:port, {DEFAULT_ADDRESS}") from None
        if address.startswith(("http:", "https:")):
            raise AddressInvalid(
                f"{address!r} is for a browser; give the gateway's host:port, {DEFAULT_ADDRESS}"
            ) from None
        port = address.rpartition(":")[2]
        if port.isdecimal() and int(port) > _MAX_PORT and not address.startswith("unix"):
            raise AddressInvalid(f"{address!r}: a port is at most {_MAX_PORT}") from None
        return address
    return f"[{address}]:{DEFAULT_PORT}"


def listed(addresses: str | Sequence[str]) -> list[str]:
    """Addresses, each with its port; those in one string are separated by commas.

    Raises:
        AddressInvalid: there is none; or as `with_port`.
    """
    words = [addresses] if isinstance(addresses, str) else addresses
    parts = [with_port(part.strip()) for word in words for part in word.split(",") if part.strip()]
    if not parts:
        raise AddressInvalid(f"no address of a gateway is given; give host:port, {DEFAULT_ADDRESS}")
    return parts
