"""The ids that the service gives."""

import hashlib
import secrets
from collections.abc import Iterable

LOG_ID_BYTES = 16
_DIGEST_BYTES = 16


def new_log_id() -> bytes:
    return secrets.token_bytes(LOG_ID_BYTES)


def direct_channel_id(application_id: str, user_ids: Iterable[str]) -> str:
    """The id that follows from who the two are, whichever of them asks."""
    return f"direct-{_digest(application_id, *sorted(user_ids))}"


def requested_channel_id(application_id: str, creator_user_id: str, client_request_id: str) -> str:
    """The id of the group that one request makes, so that its retry finds it (no table of requests is kept)."""
    return f"group-{_digest(application_id, creator_user_id, client_request_id)}"


def new_channel_id() -> str:
    return f"group-{secrets.token_hex(_DIGEST_BYTES)}"


def _digest(*parts: str) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)  # the length keeps ("ab", "c") and ("a", "bc") apart
    return digest.hexdigest()
