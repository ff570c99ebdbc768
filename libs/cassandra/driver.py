"""Sessions on the driver of the Cassandra project. The only module that imports it.

Why this driver, and where its settings come from: docs/cassandra.md.
"""

import asyncio
import logging
import re
import socket
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeVar

import structlog
from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    DriverException,
    RequestValidationException,
    Unauthorized,
    UnresolvableContactPoints,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    ResponseFuture,
    ResultSet,
)
from cassandra.cluster import Session as CassandraSession
from cassandra.connection import ConnectionBusy, ConnectionException
from cassandra.io.libevreactor import LibevConnection
from cassandra.policies import (
    ConstantReconnectionPolicy,
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    TokenAwarePolicy,
)
from cassandra.protocol import ErrorMessage
from cassandra.query import (
    BatchStatement,
    BatchType,
    BoundStatement,
    PreparedStatement,
    SimpleStatement,
    tuple_factory,
)

from libs.cassandra.errors import CassandraRefused, CassandraUnavailable, NotAllowed, NotMigrated
from libs.cassandra.session import Parameters, Session, Statement, Values
from libs.runtime.errors import CannotStart
from libs.runtime.process import every

T = TypeVar("T")
log = structlog.get_logger()

DEFAULT_PORT = 9042

_SPECULATIVE_SECONDS = 0.25  # far above what a node that is well takes, far below the request's deadline
_SPECULATIVE_ATTEMPTS = 2
_REQUEST_SECONDS = 3.0  # above the server's own 2 s for writes and 1.8 s for CAS, whose answer says more
_SCHEMA_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_AGAIN_SECONDS = 1.0  # between tries to connect at the start, and between looks at the connections afterwards
_RECONNECT_SECONDS = 0.5
_LOST_SECONDS = 5.0  # without any connection, until names are looked up anew: far above what a node takes to be reached
_IN_FLIGHT = 256  # above it the driver's queues grow and its latency with them, while throughput stays
_NO_LIMIT = 1_000_000
_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}")
_TABLE = re.compile(r"\bks\.")
_CANNOT_TELL = "Unable to perform auth"
"""So a node begins that cannot read who somebody is, or what he may do, just now: `system_auth` has too few replicas that live."""
_KEYSPACES = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = %s"


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


class _Answers:
    """Brings answers from the driver's thread into the event loop: one wake-up for all that came meanwhile."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[Callable[[], None]] = deque()
        self._woken = False

    def deliver(self, answer: Callable[[], None]) -> None:
        """Run in the driver's thread."""
        self._arrived.append(answer)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._woken = False  # before looking: what arrives from now on wakes again
        while self._arrived:
            self._arrived.popleft()()


class _Answer(NamedTuple):
    rows: Sequence[Values]
    after: bytes | None
    """What to ask the next page with; None: this is the last."""


class _DriverSession:
    """A Session."""

    def __init__(
        self, session: CassandraSession, keyspace: str, connect: Callable[[], CassandraSession | None]
    ) -> None:
        self.keyspace = keyspace
        self._session = session
        self._connect = connect
        self._reached = time.monotonic()
        self._moving = asyncio.Lock()
        self._closed = False
        self._answers = _Answers()
        self._prepared: dict[str, asyncio.Task[PreparedStatement]] = {}
        self._room = asyncio.Semaphore(_IN_FLIGHT)
        self._open: set[asyncio.Future[_Answer]] = set()
        """Requests that were not answered yet."""

    async def pages(self, statement: Statement, values: Parameters, page_rows: int) -> AsyncIterator[Sequence[Values]]:
        bound = await self._bound(statement, values)
        bound.fetch_size = page_rows
        bound.is_idempotent = True
        after: bytes | None = None
        while True:
            # each page is a request of its own: the driver would take a node's late answer for one page for that of the next
            rows, after = await self._ask(bound, after)
            yield rows
            if after is None:
                return

    async def write(self, statement: Statement, rows: Sequence[Values]) -> None:
        if not rows:
            return
        query = await (self._bound(statement, rows[0]) if len(rows) == 1 else self._batch(statement, rows))
        query.is_idempotent = True  # its timestamps are bound
        await self._ask(query)

    async def read_serial(self, statement: Statement, values: Values) -> Sequence[Values]:
        bound = await self._bound(statement, values)
        bound.consistency_level = ConsistencyLevel.SERIAL
        bound.fetch_size = _NO_LIMIT  # further pages would be reads of their own
        return (await self._ask(bound)).rows

    async def compare_and_set(self, statement: Statement, rows: Sequence[Values]) -> bool:
        answer = await self._ask(await self._batch(statement, rows))
        return bool(answer.rows[0][0])

    async def define(self, cql: str) -> None:
        await self._ask(SimpleStatement(self._qualified(cql)), seconds=_SCHEMA_SECONDS)

    async def follow(self) -> None:
        """Connect anew where there was no connection for a while: the driver looks names up only once, and what they name may have moved."""
        now = time.monotonic()
        if any(pool["open_count"] for pool in self._session.get_pool_state().values()):
            self._reached = now
        if now - self._reached < _LOST_SECONDS:
            return
        self._reached = now  # the next try is as far away
        async with self._moving:
            if self._closed:
                return
            try:
                found = await asyncio.to_thread(self._connect)
            except CannotStart as error:  # it has started; whoever mends the password need not do it again
                log.warning("cassandra_is_not_to_be_used", error=str(error))
                return
            if found is not None:
                lost, self._session = self._session, found
                self._prepared.clear()
                await asyncio.to_thread(lost.cluster.shutdown)
                log.info("cassandra_is_found_again")

    async def close(self) -> None:
        """What connects just now is waited for, so that it can be closed."""
        self._closed = True
        async with self._moving:
            await asyncio.to_thread(self._session.cluster.shutdown)

    def _qualified(self, cql: str) -> str:
        return _TABLE.sub(f"{self.keyspace}.", cql)

    async def _bound(self, statement: Statement, values: Parameters) -> BoundStatement:
        prepared = await self._prepare(statement)
        if len(values) != statement.parameters:  # the driver would leave the rest unset, a timestamp to a clock
            raise ValueError(f"{len(values)} values for {statement.cql!r}")
        return prepared.bind(values)

    async def _batch(self, statement: Statement, rows: Sequence[Values]) -> BatchStatement:
        batch = BatchStatement(BatchType.UNLOGGED)
        for row in rows:
            batch.add(await self._bound(statement, row))
        return batch

    async def _prepare(self, statement: Statement) -> PreparedStatement:
        task = self._prepared.get(statement.cql)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(self._prepared_by_first(statement.cql))
            self._prepared[statement.cql] = task
        return task.result() if task.done() else await asyncio.shield(task)

    async def _prepared_by_first(self, cql: str) -> PreparedStatement:
        """Speculation is for prepared statements only, so it is done here once more: the driver's policy goes round the nodes."""
        asked: list[asyncio.Task[PreparedStatement]] = []
        for seconds in (*[_SPECULATIVE_SECONDS] * _SPECULATIVE_ATTEMPTS, None):
            task = asyncio.create_task(asyncio.to_thread(self._prepare_in_thread, cql))
            task.add_done_callback(lambda task: task.cancelled() or task.exception())  # the slower one interests nobody
            asked.append(task)
            done, _ = await asyncio.wait(asked, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if done:
                break
        return done.pop().result()

    def _prepare_in_thread(self, cql: str) -> PreparedStatement:
        try:
            return self._session.prepare(self._qualified(cql))
        except Exception as error:  # noqa: BLE001 - the driver's errors have no common root
            _raise_translated(error)

    async def _ask(self, query: object, after: bytes | None = None, seconds: float = _REQUEST_SECONDS) -> _Answer:
        """Send a request; `after`: for the page behind that one. Whoever stops waiting does not stop the request."""
        await self._room.acquire()
        done: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._open.add(done)

        def answered(rows: Sequence[Values] | None) -> None:
            # here, in the driver's thread: the answer of another node that was asked, too, has a paging state of its own
            answer = _Answer(rows or (), ResultSet(response, rows or ()).paging_state)
            self._answers.deliver(lambda: self._answered(done, answer))

        try:
            response: ResponseFuture = self._session.execute_async(query, timeout=seconds, paging_state=after)
            response.add_callbacks(answered, lambda error: self._answers.deliver(lambda: self._failed(done, error)))
        except Exception as error:  # noqa: BLE001 - whatever it was, the place in flight is given back
            self._is_first(done)
            _raise_translated(error)
        return await done

    def _answered(self, done: asyncio.Future[_Answer], answer: _Answer) -> None:
        if self._is_first(done) and not done.done():
            done.set_result(answer)

    def _failed(self, done: asyncio.Future[_Answer], error: Exception) -> None:
        if self._is_first(done) and not done.done():
            done.set_exception(_translated(error))

    def _is_first(self, done: asyncio.Future[_Answer]) -> bool:
        """Give the place in flight back, once. Where two nodes were asked, both may answer."""
        if done not in self._open:
            return False
        self._open.remove(done)
        self._room.release()
        return True


def _raise_translated(error: Exception) -> NoReturn:
    translated = _translated(error)
    if translated is error:
        raise error
    raise translated from error


def _translated(error: Exception) -> Exception:
    """An error of the port for one of the driver's; what is neither is a fault of ours, or of the driver's, and stays as it is."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, Unauthorized | AuthenticationFailed) and _CANNOT_TELL in text:
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


@asynccontextmanager
async def cassandra_session(
    contact_points: Sequence[ContactPoint],
    keyspace: str,
    *,
    data_center: str = "",
    user: str = "",
    password: str = "",
    authority: Path | None = None,
    create_with_replicas: int = 0,
) -> AsyncIterator[Session]:
    """Connect for as long as the body runs. A ring that does not answer at first is waited for.

    `data_center` names the one whose nodes are asked; empty: that of the contact points. With `create_with_replicas` a
    missing keyspace is created, with so many replicas in every data centre. With `authority`, a PEM file, nodes must show a
    certificate that it signed.

    Raises:
        CannotStart: the credentials are wrong, or the authority cannot be read.
        NotMigrated: there is no such keyspace.
        NotAllowed: the user may not create it.
        CassandraError: this was not answered.
    """
    if not _KEYSPACE.fullmatch(keyspace):
        raise CannotStart(
            f"{keyspace!r} is no name for a keyspace: a-z, 0-9 and _, at most 48, beginning with a letter"
        )
    auth = PlainTextAuthProvider(user, password) if user else None
    tls = _tls(authority) if authority is not None else None
    connect = partial(_connected, contact_points, data_center, auth, tls)
    while (connected := await asyncio.to_thread(connect)) is None:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(_AGAIN_SECONDS)
    session = _DriverSession(connected, keyspace, connect)
    following: asyncio.Task[None] | None = None
    try:
        if not await asyncio.to_thread(_has_keyspace, connected, keyspace, create_with_replicas):
            raise NotMigrated(
                f"Cassandra has no keyspace {keyspace}: create it with the replication that you want, "
                "or have the migrate command do it, see docs/cassandra.md"
            )
        following = asyncio.create_task(every(_AGAIN_SECONDS, session.follow))
        yield session
    finally:
        try:
            await asyncio.shield(session.close())
        finally:
            if following is not None:
                following.cancel()


def _tls(authority: Path) -> ssl.SSLContext:
    """Nodes are known by addresses, which come and go: their names are not asked for."""
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:  # ssl.SSLError is one
        raise CannotStart(f"cannot use cassandra_ca: {authority}: {error}") from error
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the authority may itself be signed by another
    return context


def _connected(
    points: Sequence[ContactPoint], data_center: str, auth: object, tls: ssl.SSLContext | None
) -> CassandraSession | None:
    """None while no node answers."""
    try:
        cluster = _cluster(points, data_center, auth, tls)
    except UnresolvableContactPoints:
        log.warning("cassandra_does_not_answer", error="no name of its nodes leads to an address")
        return None
    try:
        return cluster.connect()
    except (NoHostAvailable, DriverException, OSError) as error:
        cluster.shutdown()
        # of a session that has no node in its data centre the errors are a list of addresses
        errors = error.errors if isinstance(error, NoHostAvailable) else None
        causes = list(errors.values()) if errors and isinstance(errors, dict) else [error]
        if any(isinstance(cause, AuthenticationFailed) and _CANNOT_TELL not in str(cause) for cause in causes):
            raise CannotStart(f"Cassandra refuses the user or the password: {causes[0]}") from error
        log.warning("cassandra_does_not_answer", error=str(causes[0]))
        return None


def _cluster(points: Sequence[ContactPoint], data_center: str, auth: object, tls: ssl.SSLContext | None) -> Cluster:
    """Raises UnresolvableContactPoints: names are looked up here."""
    profile = ExecutionProfile(
        # replicas in order, not shuffled: a log keeps its coordinator
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=data_center)),
        # a node that is stuck, but not down, answers nothing: then another one is asked, too, where that is harmless
        speculative_execution_policy=ConstantSpeculativeExecutionPolicy(_SPECULATIVE_SECONDS, _SPECULATIVE_ATTEMPTS),
        retry_policy=_AnotherNodeOnce(),
        consistency_level=ConsistencyLevel.QUORUM,
        serial_consistency_level=ConsistencyLevel.SERIAL,
        request_timeout=_REQUEST_SECONDS,
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
        compression=False,
        auth_provider=auth,
        ssl_context=tls,
        prepare_on_all_hosts=False,  # it would wait for those that are stuck; a node that lacks a statement asks for it
    )


def _has_keyspace(session: CassandraSession, keyspace: str, create_with_replicas: int) -> bool:
    try:
        if create_with_replicas:
            session.execute(
                f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = "
                f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {int(create_with_replicas)}}}",
                timeout=_SCHEMA_SECONDS,
            )
        return bool(list(session.execute(_KEYSPACES, [keyspace], timeout=_SCHEMA_SECONDS)))
    except Exception as error:  # noqa: BLE001 - the driver's errors have no common root
        _raise_translated(error)
