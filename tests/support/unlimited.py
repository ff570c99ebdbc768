"""The environment of services that tests and the bench drive faster than people write: rate limits are for people."""

from collections.abc import Mapping

UNLIMITED: Mapping[str, str] = {
    f"TERTULIA_GATEWAY_{limit}_PER_SECOND": "0" for limit in ("USER_WRITES", "CHANNEL_WRITES", "USER_CALLS")
}
