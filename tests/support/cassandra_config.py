"""How a node of a test is configured: the same files and the same Java command line as a process and in a container."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Literal

CommitLog = Literal["batch", "group"]
"""`periodic`, Cassandra's own default, is not offered: it acknowledges up to 10 s before it writes, and a kill -9 of the
only node then loses acknowledged rows (CASSANDRA-13987)."""

CQL_PORT = 9042
GOSSIP_PORT = 7000

_COMMIT_LOG: dict[CommitLog, str] = {
    "batch": "commitlog_sync: batch",
    "group": "commitlog_sync: group\ncommitlog_sync_group_window: 5ms",
}

_RING = 2**64
"""Murmur3 tokens go from -2^63 to 2^63 - 1."""


@dataclass(frozen=True)
class NodeConfig:
    """A node of a ring. All nodes of a ring listen at the same ports, each at its own loopback address."""

    host: str
    seed: str
    index: int
    """Its place in the ring, from 0."""
    nodes: int
    commit_log: CommitLog
    data: str
    """Where it keeps its data, as it sees the path itself."""
    hints: bool = True
    """It keeps for others what they did not take, and sends it later."""
    identity: str = ""
    """The key and the certificate that it shows to clients over TLS, as PEM; those without TLS are taken, too. Empty: it has none."""
    logins: bool = False
    """Whoever comes must say who he is, and may do no more than he was granted."""


def token(index: int, nodes: int) -> int:
    """The place of a node on the ring: even shares, known beforehand.

    Left to itself a node picks its token from what gossip told it until then, and on a loaded machine two that start
    together pick the same one.
    """
    return -(_RING // 2) + 1 + index * (_RING // nodes)


def yaml(node: NodeConfig) -> str:
    """cassandra.yaml: small memory, slow paths switched off, nothing that weakens durability."""
    return f"""\
cluster_name: tertulia-tests
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
num_tokens: 1
initial_token: "{token(node.index, node.nodes)}"
# Every ring starts empty, so there is nothing to stream to a node that joins it.
auto_bootstrap: false
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{{seeds: "{node.seed}:{GOSSIP_PORT}"}}]
endpoint_snitch: SimpleSnitch
listen_address: {node.host}
rpc_address: {node.host}
storage_port: {GOSSIP_PORT}
native_transport_port: {CQL_PORT}

{_COMMIT_LOG[node.commit_log]}
commitlog_segment_size: 16MiB
commitlog_total_space: 256MiB
data_file_directories: ["{node.data}/data"]
commitlog_directory: "{node.data}/commitlog"
hints_directory: "{node.data}/hints"
hinted_handoff_enabled: {str(node.hints).lower()}
saved_caches_directory: "{node.data}/saved_caches"
cdc_raw_directory: "{node.data}/cdc_raw"
# A node that cannot write must be seen to fail.
commit_failure_policy: die
disk_failure_policy: die

# A few tests' worth of rows on two cores, with several nodes on one machine.
memtable_heap_space: 96MiB
memtable_offheap_space: 64MiB
key_cache_size: 8MiB
counter_cache_size: 0MiB
file_cache_size: 32MiB
networking_cache_size: 32MiB
native_transport_max_threads: 32
concurrent_reads: 16
concurrent_writes: 16
concurrent_compactors: 1

# A dropped keyspace is gone: the default keeps a snapshot, which makes each DROP slow and the disk fill.
auto_snapshot: false
# What production is asked to run, so that tests see its behaviour.
paxos_variant: v2
batch_size_warn_threshold: 64KiB
batch_size_fail_threshold: 512KiB
{_LOGINS if node.logins else ""}
{_tls(node.identity) if node.identity else ""}"""


_LOGINS = """\
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
"""


def _tls(identity: str) -> str:
    """Optional, so that `tests.support.cql` needs none."""
    return f"""\
client_encryption_options:
  enabled: true
  optional: true
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
    parameters:
      private_key: |
{indent(identity, " " * 8)}
"""


LOGBACK = """\
<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{ISO8601} [%thread] %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"""

# What Cassandra reaches into below the modules of Java 11 and 17 (conf/jvm17-server.options of its distribution, which
# the jars do not hold).
_OPENED = {
    "java.base": (
        "java.io java.lang java.lang.module java.lang.ref java.lang.reflect java.math java.net java.nio java.nio.charset "
        "java.util java.util.concurrent java.util.concurrent.atomic jdk.internal.loader jdk.internal.math "
        "jdk.internal.misc jdk.internal.module jdk.internal.perf jdk.internal.ref jdk.internal.reflect "
        "jdk.internal.util.jar sun.nio.ch sun.nio.fs"
    ),
    "java.management.rmi": "com.sun.jmx.remote.internal.rmi",
    "java.rmi": "sun.rmi.registry sun.rmi.server sun.rmi.transport.tcp",
    "java.sql": "java.sql",
    "jdk.management": "com.sun.management.internal",
    "jdk.unsupported": "sun.misc",
}


def java_options(node: NodeConfig, conf: str) -> list[str]:
    """The options of the Java machine, for files in `conf` as the node sees that path."""
    opened = [
        f"--{kind}={module}/{package}=ALL-UNNAMED"
        for module, packages in _OPENED.items()
        for package in packages.split()
        for kind in ("add-opens", "add-exports")
    ]
    return [
        "-Xms384M",
        "-Xmx384M",
        "-Xss512k",
        "-XX:MaxDirectMemorySize=192M",
        "-XX:+ExitOnOutOfMemoryError",
        # Two cores and a small heap: a concurrent collector and the second compiler cost more start-up than they return.
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        # Its own file of statistics in /tmp outlives a kill -9.
        "-XX:-UsePerfData",
        "-Djava.security.manager=allow",
        "-Djava.net.preferIPv4Stack=true",
        "-Djdk.attach.allowAttachSelf=true",
        "-Dio.netty.tryReflectionSetAccessible=true",
        f"-Dcassandra.config=file://{conf}/cassandra.yaml",
        f"-Dlogback.configurationFile={conf}/logback.xml",
        f"-Dcassandra.storagedir={node.data}",
        f"-Dcassandra.logdir={node.data}",
        # A daemon in the background closes its standard output, and with it the log that a failed start is read from.
        "-Dcassandra-foreground=yes",
        # Waiting for what a ring of strangers might still say: nothing in a ring whose members and tokens are given.
        "-Dcassandra.skip_wait_for_gossip_to_settle=0",
        f"-Dcassandra.ring_delay_ms={100 if node.nodes == 1 else 2000}",
        "-Dcassandra.superuser_setup_delay_ms=0",
        # Passwords of tests need no protection; with 10, the default, each new connection costs tens of milliseconds.
        "-Dcassandra.auth_bcrypt_gensalt_log2_rounds=4",
        *opened,
    ]


MEMLOCK_BYTES = 64 * 1024
"""A node may lock no more memory than this. It asks for all of its own, and where it may it gets it: 300 MiB more resident
and a slower start. Refused, it warns and goes on."""

MAIN_CLASS = "org.apache.cassandra.service.CassandraDaemon"


def write_conf(node: NodeConfig, directory: Path) -> None:
    """Put the node's files into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cassandra.yaml").write_text(yaml(node))
    (directory / "logback.xml").write_text(LOGBACK)
    (directory / "cassandra-rackdc.properties").touch()
