"""Servers in containers, for machines with Docker.

On the host's network, so that a server has the address that it has as a process. That needs the daemon on this very machine.
"""

import asyncio
import importlib.util
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker.types import Ulimit
    from testcontainers.core.container import DockerContainer

_OWNER_LABEL = "tertulia.tests.pid"
_LOCKED: Mapping[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
}


def container_missing(image: str) -> str | None:
    """Why there cannot be a container of an image here; None when there can."""
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
        docker.images.get(image)
    except ImageNotFound:
        return f"image {image} is not here, and tests do not pull"
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


class Container:
    """A container that can be stopped in every way and started again. What it wrote survives everything but its removal."""

    def __init__(
        self,
        image: str,
        command: Sequence[str],
        *,
        entrypoint: Sequence[str] | None = None,
        mount: tuple[Path, str] | None = None,
        memlock_bytes: int | None = None,
        environment: Mapping[str, str] | None = None,
        memory_bytes: int | None = None,
        locked: bool = False,
    ) -> None:
        """`mount`: a directory of this machine and where it is to be read there. `locked`: it can write to /tmp only, and has no
        privileges, as in a cluster.
        """
        self._image = image
        self._command = command
        self._entrypoint = entrypoint
        self._mount = mount
        self._memlock_bytes = memlock_bytes
        self._environment = environment or {}
        self._memory_bytes = memory_bytes
        self._locked = locked
        self._container: DockerContainer | None = None

    async def launch(self) -> None:
        """Start it, for the first time or again. Only when it is not running."""
        if self._container is None:
            self._container = await asyncio.to_thread(self._create)
        else:
            await asyncio.to_thread(self._container.get_wrapped_container().start)

    def _create(self) -> "DockerContainer":
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        testcontainers_config.ryuk_disabled = True  # it would be pulled; see sweep()
        container = DockerContainer(self._image)
        if self._mount is not None:
            container.with_volume_mapping(*self._mount, "ro")
        limits = [] if self._memlock_bytes is None else [_memlock(self._memlock_bytes)]
        container.with_kwargs(
            network_mode="host",
            labels={_OWNER_LABEL: str(os.getpid())},
            entrypoint=self._entrypoint and list(self._entrypoint),
            ulimits=limits,
            mem_limit=self._memory_bytes,
            **(_LOCKED if self._locked else {}),
        )
        if self._locked:
            container.with_tmpfs_mount("/tmp", "size=16m")  # noqa: S108 - in the container; Docker wants its own words
        for name, value in self._environment.items():
            container.with_env(name, value)
        container.with_command(list(self._command))
        return container.start()

    async def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL returns when it is gone. Harmless when it is not running."""
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

    @property
    def pid(self) -> int:
        """Of its first process, as this machine sees it."""
        assert self._container is not None
        container = self._container.get_wrapped_container()
        container.reload()
        return int(container.attrs["State"]["Pid"])

    async def output(self) -> str:
        """The last lines that it logged."""
        if self._container is None:
            return ""
        said = await asyncio.to_thread(self._container.get_wrapped_container().logs, tail=40)
        return bytes(said).decode(errors="replace")

    async def remove(self) -> None:
        """Kill it and forget what it wrote. May be called twice."""
        if self._container is not None:
            await asyncio.to_thread(self._container.stop)
            self._container = None


def _memlock(size: int) -> "Ulimit":
    from docker.types import Ulimit

    return Ulimit(name="memlock", soft=size, hard=size)
