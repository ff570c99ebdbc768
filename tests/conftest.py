"""What is dear to make, once for all tests of a worker. Who uses a keyspace empties it first."""

import asyncio
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import pytest

from tests.support.cassandra import shared_cassandra
from tests.support.cql import ContactPoint
from tests.support.directory_keyspace import directory_keyspace
from tests.support.keyspace import Keyspace
from tests.support.log_keyspace import LogKeyspace, keyspace_of_all, log_keyspace

T = TypeVar("T")


def pytest_configure() -> None:
    """A background job of a script is started with SIGINT ignored, and so would be whatever it starts: nothing of it could be interrupted."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cassandra() -> Iterator[ContactPoint]:
    """A node that nobody may break."""
    with shared_cassandra() as points:
        yield points[0]


@pytest.fixture(scope="session")
def logs_in_cassandra(cassandra: ContactPoint) -> Iterator[LogKeyspace]:
    yield from _opened(log_keyspace(cassandra))


@pytest.fixture(scope="session")
def directory_in_cassandra(cassandra: ContactPoint) -> Iterator[Keyspace]:
    yield from _opened(directory_keyspace(cassandra))


@pytest.fixture(scope="session")
def everything_in_cassandra(cassandra: ContactPoint) -> Iterator[LogKeyspace]:
    yield from _opened(keyspace_of_all(cassandra))


def _opened(keyspace: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """In a thread of its own: a fixture that runs in an event loop may be the first to ask."""
    with ThreadPoolExecutor(1) as thread, asyncio.Runner() as runner:
        yield thread.submit(lambda: runner.run(keyspace.__aenter__())).result()
        thread.submit(lambda: runner.run(keyspace.__aexit__(None, None, None))).result()
