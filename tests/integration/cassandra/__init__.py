"""The logs on a real Cassandra: takeovers, stale owners, writes that are late or lost, nodes that die."""
