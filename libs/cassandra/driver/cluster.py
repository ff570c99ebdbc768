"""The driver's cluster: how it is set up, and how it is reached. Where the settings come from: docs/cassandra.md."""

import logging
import socket
import ssl
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import structlog
from cassandra import AuthenticationFailed, ConsistencyLevel, DriverException, UnresolvableContactPoints
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.cluster import Session as CassandraSession
from cassandra.connection import ConnectionException
from cassandra.io.libevreactor import LibevConnection
from cassandra.policies import (
    ConstantReconnectionPolicy,
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    TokenAwarePolicy,
)
from cassandra.query import BatchStatement, BoundStatement, tuple_factory

from libs.cassandra.driver.requests import REQUEST_SECONDS, SPECULATIVE_ATTEMPTS, SPECULATIVE_SECONDS
from libs.cassandra.driver.translation import cannot_tell
from libs.runtime.errors import CannotStart

log = structlog.get_logger()

DEFAULT_PORT = 9042

_CONNECT_SECONDS = 5.0
_RECONNECT_SECONDS = 0.5
_THREADS = 8  # each node that is silent takes one, to reconnect; repeated requests wait for one of them, too
_HEARTBEAT_SECONDS = 5.0  # between them, and until one counts as unanswered: longer than a node's pauses for garbage


class _InOneLine(logging.Filter):
    """The driver logs the ways of its own code to whatever a node does not do for it; what happened is in the error."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, NoHostAvailable | DriverException | ConnectionException | OSError):
            record.msg, record.args, record.exc_info = (
                f"{record.getMessage()} {type(error).__name__}: {error}",
                (),
                None,
            )
        return True


for _name in ("cluster", "connection", "pool"):
    logging.getLogger(f"cassandra.{_name}").addFilter(_InOneLine())


class ContactPoint(NamedTuple):
    """A node to begin with; the others are learnt from it."""

    host: str
    port: int = DEFAULT_PORT


def parse_contact_points(text: str) -> list[ContactPoint]:
    """Parse `host[:port],host[:port]…`.

    Raises:
        ValueError: there is none, or a port is no port.
    """
    points: list[ContactPoint] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = item.partition(":")
        if not host or (port and not (port.isdecimal() and 0 < int(port) < 2**16)):
            raise ValueError(f"{item!r} is not `host` or `host:port`")
        points.append(ContactPoint(host, int(port or DEFAULT_PORT)))
    if not points:
        raise ValueError("at least one `host` or `host:port` is needed")
    return points


class _AnotherNodeOnce(FallthroughRetryPolicy):  # type: ignore[misc] # the driver has no types
    """Where a node fails by itself (its connection broke, it is starting, overloaded or at fault), the next one is asked, once,
    if that is harmless. What the replicas answer is no node's fault: it is told, and whoever asked decides."""

    def on_request_error(
        self,
        query: BoundStatement | BatchStatement,
        consistency: int,  # noqa: ARG002 - the driver calls it so
        error: Exception,  # noqa: ARG002 - likewise
        retry_num: int,
    ) -> tuple[int, int | None]:
        if query.is_idempotent and retry_num == 0:
            return self.RETRY_NEXT_HOST, None
        return self.RETHROW, None


def connect(
    points: Sequence[ContactPoint], data_center: str, login: PlainTextAuthProvider | None, tls: ssl.SSLContext | None
) -> CassandraSession | None:
    """Look the names of `points` up and connect to what they lead to. None while no node answers.

    Raises:
        CannotStart: the credentials are wrong.
    """
    try:
        cluster = _cluster(points, data_center, login, tls)
    except UnresolvableContactPoints:
        log.warning("cassandra_does_not_answer", error="no name of its nodes leads to an address")
        return None
    with ExitStack() as undo:
        undo.callback(cluster.shutdown)
        try:
            session = cluster.connect()
        except (NoHostAvailable, DriverException, OSError) as error:
            _why_not(error)
            return None
        undo.pop_all()
        return session


def _why_not(error: Exception) -> None:
    """Say why nothing answers.

    Raises:
        CannotStart: it is what no waiting mends.
    """
    # of a session that has no node in its data centre the errors are a list of addresses
    errors = error.errors if isinstance(error, NoHostAvailable) else None
    causes = list(errors.values()) if errors and isinstance(errors, dict) else [error]
    if any(isinstance(cause, AuthenticationFailed) and not cannot_tell(cause) for cause in causes):
        raise CannotStart(f"Cassandra refuses the user or the password: {causes[0]}") from error
    log.warning("cassandra_does_not_answer", error=str(causes[0]))


def _cluster(
    points: Sequence[ContactPoint], data_center: str, login: PlainTextAuthProvider | None, tls: ssl.SSLContext | None
) -> Cluster:
    """Raises UnresolvableContactPoints: names are looked up here."""
    profile = ExecutionProfile(
        # replicas in order, not shuffled: a log keeps its coordinator
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=data_center)),
        # a node that is stuck, but not down, answers nothing: then another one is asked, too, where that is harmless
        speculative_execution_policy=ConstantSpeculativeExecutionPolicy(SPECULATIVE_SECONDS, SPECULATIVE_ATTEMPTS),
        retry_policy=_AnotherNodeOnce(),
        consistency_level=ConsistencyLevel.QUORUM,
        serial_consistency_level=ConsistencyLevel.SERIAL,
        request_timeout=REQUEST_SECONDS,
        row_factory=tuple_factory,
    )
    return Cluster(
        [tuple(point) for point in points],
        connection_class=LibevConnection,
        protocol_version=5,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        reconnection_policy=ConstantReconnectionPolicy(_RECONNECT_SECONDS, max_attempts=None),
        connect_timeout=_CONNECT_SECONDS,
        control_connection_timeout=_CONNECT_SECONDS,
        executor_threads=_THREADS,
        idle_heartbeat_interval=_HEARTBEAT_SECONDS,
        idle_heartbeat_timeout=_HEARTBEAT_SECONDS,
        compression=False,
        auth_provider=login,
        ssl_context=tls,
        prepare_on_all_hosts=False,  # it would wait for those that are stuck; a node that lacks a statement asks for it
    )


def trusting(authority: Path) -> ssl.SSLContext:
    """Nodes are known by addresses, which come and go: their names are not asked for."""
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:  # ssl.SSLError is one
        raise CannotStart(f"cannot use cassandra_ca: {authority}: {error}") from error
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the authority may itself be signed by another
    return context
