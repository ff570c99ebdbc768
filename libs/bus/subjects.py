"""The subjects. They hold encoded ids only, so that no user's text can be a wildcard or a subject of ours."""

import hashlib

HEADS = "tertulia.heads"
"""HeadsDigest of every owner, each second."""

REVOCATIONS = "tertulia.revocations"
"""TokensRevoked, of all applications."""


def log_subject(log_id: bytes) -> str:
    """LogSignal of one log: doorbells from its owner, notices about the channel from others."""
    return f"tertulia.log.{log_id.hex()}"


def presence_subject(application_id: str, user_id: str) -> str:
    """PresenceSignal of one user."""
    digest = hashlib.blake2b(f"{application_id}\0{user_id}".encode(), digest_size=16).hexdigest()
    return f"tertulia.presence.{digest}"
