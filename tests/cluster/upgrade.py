"""From one version to the next, as deploy/README.md says, with both running for a while."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import yaml

from tests.cluster.kubectl import all_settled, both_run, kubectl, resume
from tests.deploy.rendering import DEPLOY, kustomize

_IMAGE = "tertulia"
_BOTH = ("gateway", "channel", "web", "message-store")
"""Services that both versions serve at once; of presence there is one pod."""


async def upgrade(tag: str, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """To the image of this tag. `meanwhile` is awaited while a pod of each version, at least, serves everywhere."""
    await kubectl("delete", "job", "migration", "--ignore-not-found")
    await kubectl("apply", "-f", "-", manifest=await asyncio.to_thread(_overlay, tag))
    async with asyncio.TaskGroup() as tasks:
        for service in _BOTH:
            tasks.create_task(both_run(service, f"{_IMAGE}:{tag}"))
    await meanwhile()
    async with asyncio.TaskGroup() as tasks:
        for service in _BOTH:
            tasks.create_task(resume(service))
    await all_settled()


def _overlay(tag: str) -> str:
    """The dev overlay with another image, as somebody's own overlay would name it."""
    with tempfile.TemporaryDirectory(dir=DEPLOY, prefix=".rendering-") as folder:
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": ["../overlays/dev"],
            "images": [{"name": _IMAGE, "newTag": tag}],
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return kustomize(Path(folder))
