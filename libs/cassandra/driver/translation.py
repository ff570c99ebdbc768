"""Errors of the port for those of the driver."""

from typing import NoReturn

from cassandra import AuthenticationFailed, DriverException, RequestValidationException, Unauthorized
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionBusy, ConnectionException
from cassandra.protocol import ErrorMessage

from libs.cassandra.errors import CassandraRefused, CassandraUnavailable, NotAllowed


def translated(error: Exception) -> Exception:
    """An error of the port for one of the driver's; what is neither is a fault of ours, or of the driver's, and stays as it is."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, Unauthorized | AuthenticationFailed) and cannot_tell(error):
        return CassandraUnavailable(text)
    if isinstance(error, Unauthorized):
        return NotAllowed(f"Cassandra does not let its user do that: {error}; docs/cassandra.md says what is needed")
    if isinstance(error, RequestValidationException):
        return CassandraRefused(text)
    if isinstance(
        error, NoHostAvailable | ConnectionBusy | ConnectionException | DriverException | ErrorMessage | OSError
    ):
        return CassandraUnavailable(text)
    return error


def raise_translated(error: Exception) -> NoReturn:
    told = translated(error)
    if told is error:
        raise error
    raise told from error


def cannot_tell(error: Exception) -> bool:
    """Whether a node cannot read who somebody is, or what he may do, just now: `system_auth` has too few replicas that live."""
    return "Unable to perform auth" in str(error)
