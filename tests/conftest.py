from collections.abc import Iterator

import pytest

from tests.support.cassandra import shared_cassandra
from tests.support.cql import ContactPoint


@pytest.fixture(scope="session")
def cassandra() -> Iterator[ContactPoint]:
    """A node that nobody may break; its users make keyspaces of their own."""
    with shared_cassandra() as points:
        yield points[0]
