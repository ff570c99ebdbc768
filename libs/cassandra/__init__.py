"""Cassandra, as far as stores need it: sessions, what may go wrong with a request, schemas that grow by migrations.

Nothing but `driver` knows the driver. docs/cassandra.md says how a ring has to be set up.
"""

from libs.cassandra.driver import ContactPoint as ContactPoint
from libs.cassandra.driver import cassandra_session as cassandra_session
from libs.cassandra.driver import parse_contact_points as parse_contact_points
from libs.cassandra.errors import CassandraError as CassandraError
from libs.cassandra.errors import CassandraRefused as CassandraRefused
from libs.cassandra.errors import CassandraUnavailable as CassandraUnavailable
from libs.cassandra.errors import NotAllowed as NotAllowed
from libs.cassandra.errors import NotMigrated as NotMigrated
from libs.cassandra.migrations import Migration as Migration
from libs.cassandra.migrations import check_schema as check_schema
from libs.cassandra.migrations import migrate as migrate
from libs.cassandra.migrations import third_replica_soon as third_replica_soon
from libs.cassandra.session import Parameters as Parameters
from libs.cassandra.session import Session as Session
from libs.cassandra.session import Statement as Statement
from libs.cassandra.session import Value as Value
from libs.cassandra.session import Values as Values
from libs.cassandra.session import read as read
