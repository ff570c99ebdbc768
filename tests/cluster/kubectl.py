"""What is done to the cluster that KUBECONFIG names."""

import asyncio
import subprocess

NAMESPACE = "tertulia"
_WAIT = "--timeout=240s"


async def kubectl(*words: str) -> str:
    """What it says.

    Raises:
        RuntimeError: it failed.
    """
    done = await asyncio.to_thread(
        subprocess.run, ["kubectl", "-n", NAMESPACE, *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


async def restart(service: str) -> None:
    """One pod after the other is replaced."""
    await kubectl("rollout", "restart", f"deployment/{service}")
    await settled(service)


async def scale(service: str, pods: int) -> None:
    """So many pods, whatever the autoscaler would like. It takes no fewer than it is told, so it is told, too."""
    if "hpa" in await kubectl("get", "hpa", service, "--ignore-not-found", "-o", "name"):
        await kubectl("patch", "hpa", service, "-p", f'{{"spec": {{"minReplicas": {pods}}}}}')
    await kubectl("scale", f"deployment/{service}", f"--replicas={pods}")
    await settled(service)


async def settled(service: str) -> None:
    await kubectl("rollout", "status", f"deployment/{service}", _WAIT)


async def drain(node: str) -> None:
    """Everything leaves the node, as far as budgets allow, and may come back then."""
    try:
        await kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", _WAIT)
    finally:
        await kubectl("uncordon", node)
    for service in (await kubectl("get", "deployments", "-o", "name")).split():
        await settled(service.removeprefix("deployment.apps/"))
