"""Sessions on the driver of the Cassandra project, which nothing else imports. Why this one: docs/cassandra-drivers.md.

`session` is what services use; it makes `requests` by one session of the driver after another, and `cluster` connects those.
"""

from libs.cassandra.driver.cluster import ContactPoint as ContactPoint
from libs.cassandra.driver.cluster import parse_contact_points as parse_contact_points
from libs.cassandra.driver.session import cassandra_session as cassandra_session
