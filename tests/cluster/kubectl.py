"""What is done to the cluster that KUBECONFIG names."""

import asyncio
import json
import subprocess
from collections.abc import Sequence
from typing import Any

from tests.support.ports import until

NAMESPACE = "tertulia"
_WAIT_SECONDS = 240.0
_WAIT = f"--timeout={_WAIT_SECONDS:.0f}s"
_RESTING = ("Succeeded", "Failed")
_OURS = "--selector=app.kubernetes.io/part-of=tertulia"


async def kubectl(*words: str, manifest: str | None = None) -> str:
    """What it says.

    Raises:
        RuntimeError: it failed.
    """
    done = await asyncio.to_thread(
        subprocess.run,
        ["kubectl", "-n", NAMESPACE, *words],
        input=manifest,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


async def items(*words: str) -> list[dict[str, Any]]:
    """What is asked for, as the API has it."""
    found: list[dict[str, Any]] = json.loads(await kubectl("get", *words, "-o", "json"))["items"]
    return found


async def restart(service: str) -> None:
    """One pod after the other is replaced."""
    await kubectl("rollout", "restart", f"deployment/{service}")
    await settled(service)


async def scale(service: str, pods: int) -> None:
    """So many pods, whatever the autoscaler would like: it is told, too."""
    if "autoscaler" in await kubectl("get", "hpa", service, "--ignore-not-found", "-o", "name"):
        await kubectl("patch", "hpa", service, "-p", f'{{"spec": {{"minReplicas": {pods}, "maxReplicas": {pods}}}}}')
    await kubectl("scale", f"deployment/{service}", f"--replicas={pods}")
    await settled(service)


async def settled(service: str) -> None:
    """All its pods are those that it is to have, and those that go are gone."""
    await kubectl("rollout", "status", f"deployment/{service}", _WAIT)

    async def none_goes() -> bool:
        return not [pod for pod in await _pods(service) if "deletionTimestamp" in pod["metadata"]]

    await until(none_goes, f"the old pods of {service} are gone", _WAIT_SECONDS)


async def all_settled() -> None:
    for deployment in await items("deployments"):
        await settled(deployment["metadata"]["name"])


async def drain(node: str) -> None:
    """Everything leaves the node, as far as budgets allow, and may come back then."""
    try:
        await kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", _WAIT)
    finally:
        await kubectl("uncordon", node)
    await all_settled()


async def inhabited(node: str, services: Sequence[str]) -> None:
    """Pods of the services are on the node; those that are made anew are spread."""
    for service in services:
        if service not in [pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in await _at_home(node)]:
            await restart(service)
    assert await _at_home(node), f"nothing of ours is on {node}"


async def given_up(node: str) -> None:
    """The node is known to be lost, and what was on it runs elsewhere."""

    async def all_left() -> bool:
        return not await _at_home(node)

    await kubectl("wait", "--for=condition=Ready=Unknown", f"node/{node}", _WAIT)
    await until(all_left, f"{node} is given up", _WAIT_SECONDS)
    for deployment in await items("deployments"):
        await kubectl("rollout", "status", f"deployment/{deployment['metadata']['name']}", _WAIT)


async def _at_home(node: str) -> list[dict[str, Any]]:
    """Our pods there that are to stay."""
    return [
        pod
        for pod in await items("pods", f"--field-selector=spec.nodeName={node}", _OURS)
        if "deletionTimestamp" not in pod["metadata"] and pod["status"]["phase"] not in _RESTING
    ]


async def back(node: str) -> None:
    """The node is known to work, and what was given up on it is gone."""
    await kubectl("wait", "--for=condition=Ready", f"node/{node}", _WAIT)
    await all_settled()


async def both_run(service: str, image: str) -> None:
    """A first pod of the service runs the image, older ones run beside it, and the rollout is held there."""

    async def both_are_ready() -> bool:
        ready = {pod["spec"]["containers"][0]["image"] for pod in await _pods(service) if _is_ready(pod)}
        return image in ready and len(ready) > 1

    await until(both_are_ready, f"{image} runs beside the older {service}", _WAIT_SECONDS)
    await kubectl("rollout", "pause", f"deployment/{service}")


async def resume(service: str) -> None:
    """The others follow."""
    await kubectl("rollout", "resume", f"deployment/{service}")
    await settled(service)


async def _pods(service: str) -> list[dict[str, Any]]:
    return await items("pods", f"--selector=app.kubernetes.io/name={service}")


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions: list[dict[str, str]] = pod["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
