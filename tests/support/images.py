"""The one table of versions and images that tests run against. No test pulls an image."""

CASSANDRA_VERSION = "5.0.9"
CASSANDRA = f"cassandra:{CASSANDRA_VERSION}"

NATS_VERSION = "2.15.1"
NATS = f"nats:{NATS_VERSION}"
