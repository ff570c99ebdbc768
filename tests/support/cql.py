"""Just enough of Cassandra's native protocol to ask a node whether it is there, and to see what it holds.

No driver: tests of the driver need a witness that is not the driver, and the ladder must work before one is installed.
Protocol version 4, because its frames are the same for every request; version 5 wraps them in checksummed segments.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import IntEnum
from typing import NamedTuple

_HEADER = struct.Struct("!BBhBi")  # version, flags, stream, opcode, length of the body
_REQUEST_VERSION = 4
_REQUEST_SECONDS = 15
"""Above every server-side timeout of a node, so that the node's own answer is what a test sees."""


class _Opcode(IntEnum):
    ERROR = 0x00
    STARTUP = 0x01
    READY = 0x02
    AUTHENTICATE = 0x03
    OPTIONS = 0x05
    SUPPORTED = 0x06
    QUERY = 0x07
    RESULT = 0x08
    AUTH_RESPONSE = 0x0F
    AUTH_SUCCESS = 0x10


class Consistency(IntEnum):
    ONE = 1
    QUORUM = 4
    ALL = 5


class CqlError(Exception):
    """The node answered with an error."""

    BAD_CREDENTIALS = 0x0100
    UNAVAILABLE = 0x1000
    READ_TIMEOUT = 0x1200
    UNCONFIGURED = 0x2200  # "invalid": among others, a table that the node does not know (yet)

    def __init__(self, code: int, text: str, replicas: int | None) -> None:
        super().__init__(f"0x{code:04x} {text}")
        self.code = code
        self.replicas = replicas
        """How many replicas were alive, or answered in time, where the error tells."""


class ContactPoint(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Login(NamedTuple):
    """A user of Cassandra."""

    user: str
    password: str


SUPERUSER = Login("cassandra", "cassandra")
"""Who every new Cassandra knows, and who may do all."""


class Cql:
    """An open connection. One request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.had_to_log_in = False
        """The node asked who comes."""

    async def query(self, cql: str, consistency: Consistency = Consistency.ONE) -> list[tuple[bytes | None, ...]]:
        """Run one statement: its rows (the first page), with columns as they came over the wire.

        Raises:
            CqlError: the node refused it.
            OSError, asyncio.IncompleteReadError, TimeoutError: the node went away or is stuck.
        """
        text = cql.encode()
        answer = await self._ask(
            _Opcode.QUERY, struct.pack("!i", len(text)) + text + struct.pack("!HB", consistency, 0)
        )
        return _rows(_Body(answer))

    async def _begin(self) -> None:
        await self._ask(_Opcode.STARTUP, struct.pack("!H", 1) + _string("CQL_VERSION") + _string("3.0.0"))
        if self.had_to_log_in:
            token = "\0".join(("", *SUPERUSER)).encode()
            await self._ask(_Opcode.AUTH_RESPONSE, struct.pack("!i", len(token)) + token)

    async def _ask(self, opcode: _Opcode, body: bytes) -> bytes:
        async with asyncio.timeout(_REQUEST_SECONDS):
            self._writer.write(_HEADER.pack(_REQUEST_VERSION, 0, 0, opcode, len(body)) + body)
            await self._writer.drain()
            header = await self._reader.readexactly(_HEADER.size)
            _, _, _, answered, length = _HEADER.unpack(header)
            answer = await self._reader.readexactly(length)
        if answered == _Opcode.ERROR:
            raise _error(_Body(answer))
        self.had_to_log_in |= answered == _Opcode.AUTHENTICATE
        return answer


@asynccontextmanager
async def cql(point: ContactPoint) -> AsyncIterator[Cql]:
    """Connect to one node, as who may do all."""
    async with asyncio.timeout(_REQUEST_SECONDS):
        reader, writer = await asyncio.open_connection(point.host, point.port)
    try:
        connection = Cql(reader, writer)
        await connection._begin()
        yield connection
    finally:
        writer.close()
        with suppress(OSError):  # the node was killed meanwhile
            await writer.wait_closed()


def speaks_cql(point: ContactPoint, seconds: float = 2) -> bool:
    """Whether a node answers an OPTIONS frame. An open port is not enough: a node listens before it serves.

    Blocks for that long, and runs where no event loop does.
    """
    try:
        with socket.create_connection(point, seconds) as connection:
            connection.sendall(_HEADER.pack(_REQUEST_VERSION, 0, 0, _Opcode.OPTIONS, 0))
            header = connection.recv(_HEADER.size, socket.MSG_WAITALL)
    except OSError:  # TimeoutError is one
        return False
    return len(header) == _HEADER.size and bool(_HEADER.unpack(header)[3] == _Opcode.SUPPORTED)


def _string(text: str) -> bytes:
    return struct.pack("!H", len(text)) + text.encode()


class _Body:
    """Reads the fields of a frame's body in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def short(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def int(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def string(self) -> str:
        return self.take(self.short()).decode()

    def bytes(self) -> bytes | None:
        length = self.int()
        return None if length < 0 else self.take(length)


def _error(body: _Body) -> CqlError:
    code, text, replicas = body.int(), body.string(), None
    if code == CqlError.UNAVAILABLE:
        body.short(), body.int()  # consistency, required
        replicas = body.int()
    elif code == CqlError.READ_TIMEOUT:
        body.short()
        replicas = body.int()
    return CqlError(code, text, replicas)


_ROWS = 2
_GLOBAL_TABLE, _MORE_PAGES = 1, 2


def _rows(body: _Body) -> list[tuple[bytes | None, ...]]:
    if body.int() != _ROWS:
        return []  # void, a schema change, a keyspace set
    flags, columns = body.int(), body.int()
    if flags & _MORE_PAGES:
        body.bytes()
    if flags & _GLOBAL_TABLE:
        body.string(), body.string()
    for _ in range(columns):
        if not flags & _GLOBAL_TABLE:
            body.string(), body.string()
        body.string()
        _skip_type(body)
    return [tuple(body.bytes() for _ in range(columns)) for _ in range(body.int())]


def _skip_type(body: _Body) -> None:
    kind = body.short()
    if kind == 0x00:  # custom: its class
        body.string()
    elif kind in {0x20, 0x22}:  # list, set: of one type
        _skip_type(body)
    elif kind == 0x21:  # map: of two
        _skip_type(body)
        _skip_type(body)
    elif kind in {0x30, 0x31}:
        raise NotImplementedError("user-defined types and tuples")
