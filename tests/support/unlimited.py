"""The environment of services that tests and the bench drive faster than people write, and from one address: such limits are for people."""

from collections.abc import Mapping

UNLIMITED: Mapping[str, str] = {
    f"TERTULIA_GATEWAY_{limit}": "0"
    for limit in (
        "USER_WRITES_PER_SECOND",
        "CHANNEL_WRITES_PER_SECOND",
        "USER_CALLS_PER_SECOND",
        "MAX_CONNECTIONS_PER_ADDRESS",
        "MAX_UNAUTHENTICATED_CONNECTIONS",
    )
}
