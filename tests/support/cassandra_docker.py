"""A node of Cassandra in a container of the official image.

The image gives Java and the jars; configuration and command line are ours, and nothing depends on what its entry point makes
of environment variables.
"""

from pathlib import Path

from tests.support.cassandra_config import MAIN_CLASS, MEMLOCK_BYTES, NodeConfig, java_options, write_conf
from tests.support.containers import Container
from tests.support.images import CASSANDRA

_CONF = "/tertulia"
DATA = "/var/lib/cassandra"
_LIB = "/opt/cassandra/lib"


def node_container(config: NodeConfig, directory: Path) -> Container:
    """A node whose configuration is written below `directory`. Its data are in the container."""
    conf = directory / "conf"
    write_conf(config, conf)
    return Container(
        CASSANDRA,
        [*java_options(config, _CONF), "-cp", f"{_CONF}:{_LIB}/*"],
        entrypoint=["sh", "-c", f'exec java "$@" -javaagent:$(echo {_LIB}/jamm-*.jar) {MAIN_CLASS}', "java"],
        mount=(conf, _CONF),
        memlock_bytes=MEMLOCK_BYTES,
    )
