"""The errors of requests to Cassandra.

    CassandraError
    ├── CassandraUnavailable   no answer, or too few replicas: whether a write was or will be done is unknown
    └── CassandraRefused       the request is wrong, and so is repeating it
        └── NotAllowed         the user has not the rights for it

There is no third one for "certainly not done": whoever writes here repeats identically in either case, and a
compare-and-set is resolved by a serial read in either case.

    CannotStart
    ├── NotMigrated            the migrate command is still to be run
    └── NotAllowed             likewise for the operator to mend
"""

from libs.runtime.errors import CannotStart


class CassandraError(Exception):
    """A request failed."""


class CassandraUnavailable(CassandraError):
    """It may have been done, may be done later, or never. `done_nowhere` is not told: see the module."""


class CassandraRefused(CassandraError):
    """Cassandra understood and will not: no such table, not allowed, too large."""


class NotAllowed(CassandraRefused, CannotStart):
    """Who we are to Cassandra may not do that."""


class NotMigrated(CannotStart):
    """There is no such keyspace, or its schema is older than what this program knows."""
