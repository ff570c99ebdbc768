"""What `docker compose -f deploy/compose.yaml up --wait` does, for machines whose Docker lacks that plugin: `python -m tests.deploy.compose_up`.

It starts the containers in order of their needs with exactly what the file says, has two people talk, kills message-store while
they do, and removes everything. Only what our file uses is understood; anything else is an error.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = "tertulia-by-hand"
_COMMAND = Path(sys.executable).with_name("tertulia")
_WAIT_SECONDS = 300
_LOOK_SECONDS = 1.0
_FLAGS = {
    "image", "build", "command", "depends_on", "stop_grace_period",  # seen to here
    "hostname", "environment", "volumes", "ports", "healthcheck", "restart", "read_only", "tmpfs", "cap_drop", "security_opt",
}  # fmt: skip


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


def container(service: str) -> str:
    return f"{PROJECT}-{service}"


def flags_of(service: Mapping[str, Any]) -> Iterator[str]:
    """What `docker run` is told of a service."""
    assert set(service) <= _FLAGS, f"not understood here: {set(service) - _FLAGS}"
    if "hostname" in service:
        yield f"--hostname={service['hostname']}"
    for name, value in service.get("environment", {}).items():
        yield f"--env={name}={value}"
    for volume in service.get("volumes", []):
        yield f"--volume={volume.replace('./', f'{ROOT}/deploy/', 1) if volume.startswith('./') else f'{PROJECT}-{volume}'}"
    for port in service.get("ports", []):
        yield f"--publish={port}"
    for place in service.get("tmpfs", []):
        yield f"--tmpfs={place}"
    for capability in service.get("cap_drop", []):
        yield f"--cap-drop={capability}"
    for option in service.get("security_opt", []):
        yield f"--security-opt={option}"
    if service.get("read_only"):
        yield "--read-only"
    yield f"--restart={service['restart']}"
    if "healthcheck" in service:
        check = service["healthcheck"]
        yield "--health-cmd=" + " ".join(f"'{word}'" for word in check["test"][1:])
        yield f"--health-interval={check['interval']}"
        yield f"--health-timeout={check['timeout']}"


def wait(service: str, condition: str) -> None:
    """Until a container is as another needs it."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        state = json.loads(docker("inspect", "--format={{json .State}}", container(service)))
        if condition == "service_started" and state["Running"]:
            return
        if condition == "service_healthy" and state["Health"]["Status"] == "healthy":
            return
        if condition == "service_completed_successfully" and state["Status"] == "exited":
            assert state["ExitCode"] == 0, docker("logs", container(service))
            return
        time.sleep(_LOOK_SECONDS)
    raise TimeoutError(f"{service} is not {condition}:\n{docker('logs', container(service))}")


def up(services: Mapping[str, Mapping[str, Any]]) -> None:
    docker("network", "create", PROJECT)
    for name, service in services.items():  # the file has them in order of their needs
        for need, condition in service.get("depends_on", {}).items():
            wait(need, condition["condition"])
        words = ("run", "--detach", f"--name={container(name)}", f"--network={PROJECT}", f"--network-alias={name}")
        docker(*words, *flags_of(service), service["image"], *service.get("command", []))
        print(f"started {name}", flush=True)
    for name, service in services.items():
        if "healthcheck" in service:
            wait(name, "service_healthy")


def down() -> None:
    for line in docker("ps", "--all", "--quiet", f"--filter=name=^{PROJECT}-").split():
        docker("rm", "--force", "--volumes", line)
    for kind in ("network", "volume"):
        for line in docker(kind, "ls", "--quiet", f"--filter=name={PROJECT}").split():
            docker(kind, "rm", line)


def tertulia(*words: str, secret: str) -> str:
    environment = {**os.environ, "TERTULIA_ADDRESS": "127.0.0.1:7420", "TERTULIA_SECRET": secret}
    done = subprocess.run([_COMMAND, *words], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"tertulia {' '.join(words)} ended with {done.returncode}: {done.stderr}"
    return done.stdout


def main() -> None:
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    down()
    try:
        up(services)
        create = ("python", "-m", "services.channel", "create-application", "demo")
        secret = docker("exec", container("channel"), *create)
        tertulia(
            "channels", "create", "plaza", "--kind", "group", "--members", "alice,bob", "--as", "alice", secret=secret
        )
        tertulia("send", "plaza", "before the kill", "--as", "alice", secret=secret)
        docker("kill", "--signal=KILL", container("message-store"))
        docker("start", container("message-store"))  # a policy does not restart what was killed by its own command
        tertulia("send", "plaza", "after the kill", "--as", "bob", secret=secret)
        print(tertulia("history", "plaza", "--as", "bob", secret=secret))
        assert docker("exec", container("gateway"), "id", "-u") == "10001"
    finally:
        down()


if __name__ == "__main__":
    main()
