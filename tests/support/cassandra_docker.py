"""A node of Cassandra in a container of the official image, for machines with Docker.

On the host's network, so that nodes have the loopback addresses that they have as processes, and a ring in containers is
the same ring. That needs the daemon on this very machine. The image gives Java and the jars; configuration and command
line are ours, and nothing depends on what its entry point makes of environment variables.
"""

import asyncio
import importlib.util
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.cassandra_config import MAIN_CLASS, MEMLOCK_BYTES, NodeConfig, java_options, write_conf
from tests.support.images import CASSANDRA

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_CONF = "/tertulia"
DATA = "/var/lib/cassandra"
_LIB = "/opt/cassandra/lib"
_OWNER_LABEL = "tertulia.tests.pid"


def container_missing() -> str | None:
    """Why Cassandra cannot run in a container here; None when it can."""
    if importlib.util.find_spec("testcontainers") is None:
        return "testcontainers is not installed"
    if not _socket_answers():
        return "no Docker daemon answers"
    from docker.errors import DockerException, ImageNotFound
    from testcontainers.core.docker_client import DockerClient

    try:
        docker = DockerClient(timeout=5).client
    except DockerException:
        return "no Docker daemon answers"
    try:
        if not str(docker.api.base_url).startswith("http+docker://"):
            return f"the Docker daemon at {docker.api.base_url} may be on another machine"
        docker.images.get(CASSANDRA)
    except ImageNotFound:
        return f"image {CASSANDRA} is not here, and tests do not pull"
    except DockerException:
        return "no Docker daemon answers"
    finally:
        docker.close()
    return None


def _socket_answers() -> bool:
    """Whether there is somebody at the usual socket: the client, refused there, leaves its own end of it open."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not address.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(address.removeprefix("unix://")) == 0


def sweep() -> None:
    """Remove containers whose test process is gone.

    A process dies with its tests (`--pdeathsig`), a container does not, and testcontainers' own remedy is one more image
    that would have to be pulled.
    """
    from testcontainers.core.docker_client import DockerClient

    docker = DockerClient().client
    try:
        for container in docker.containers.list(all=True, filters={"label": _OWNER_LABEL}):
            if not Path(f"/proc/{container.labels[_OWNER_LABEL]}").exists():
                container.remove(force=True, v=True)
    finally:
        docker.close()


class ContainerMachine:
    """A node in a container. Its data are in the container and survive everything but its removal."""

    def __init__(self, config: NodeConfig, directory: Path) -> None:
        self._config = config
        self._conf = directory / "conf"
        self._container: DockerContainer | None = None

    async def launch(self) -> None:
        if self._container is None:
            write_conf(self._config, self._conf)
            self._container = await asyncio.to_thread(self._create)
        else:
            await asyncio.to_thread(self._container.get_wrapped_container().start)

    def _create(self) -> "DockerContainer":
        from docker.types import Ulimit
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        testcontainers_config.ryuk_disabled = True  # it would be pulled; see sweep()
        container = DockerContainer(CASSANDRA)
        container.with_volume_mapping(self._conf, _CONF, "ro")
        container.with_kwargs(
            network_mode="host",
            entrypoint=["sh", "-c", f'exec java "$@" -javaagent:$(echo {_LIB}/jamm-*.jar) {MAIN_CLASS}', "java"],
            labels={_OWNER_LABEL: str(os.getpid())},
            ulimits=[Ulimit(name="memlock", soft=MEMLOCK_BYTES, hard=MEMLOCK_BYTES)],
        )
        container.with_command([*java_options(self._config, _CONF), "-cp", f"{_CONF}:{_LIB}/*"])
        return container.start()

    async def signal(self, number: signal.Signals) -> None:
        if self._container is None or not await self.running():
            return
        container = self._container.get_wrapped_container()
        await asyncio.to_thread(container.kill, number.name)
        if number == signal.SIGKILL:
            await asyncio.to_thread(container.wait)

    async def running(self) -> bool:
        if self._container is None:
            return False
        container = self._container.get_wrapped_container()
        await asyncio.to_thread(container.reload)
        return bool(container.status == "running")

    async def output(self) -> str:
        if self._container is None:
            return ""
        said = await asyncio.to_thread(self._container.get_wrapped_container().logs, tail=40)
        return bytes(said).decode(errors="replace")

    async def remove(self) -> None:
        if self._container is not None:
            await asyncio.to_thread(self._container.stop)
            self._container = None
